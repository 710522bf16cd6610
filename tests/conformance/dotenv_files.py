"""Prints `.env` files, a JSON line each, for Docker Compose's own reader:

    python3 tests/conformance/dotenv_files.py --cases 1200 --seed 1 |
        (cd tests/conformance/dotenv && go run .) > tests/conformance/dotenv.jsonl
"""

import argparse
import json
import random

PROCESS = {"SET": "process", "EMPTY": "", "HOME": "/home/me", "lower": "case"}

# What people write, and what they get wrong; each line is a file of its own.
LINES = r"""
A=b
A=
A= b
A = b
A =b
A=b c
A=b=c
A==b
  A=b
	A=b
A="b"
A='b'
A=`b`
A="b c"
A='b c'
A=" b "
A=' b '
A=""
A=''
A="b
A='b
A=b"
A=b'
A=b"c"
A="b"c
A="b" c
A="b" c=d
A="b"c=d
A="b" # c
A='b' # c
A="b"# c
A=b # c
A=b #c
A=b# c
A=b#c
A=b	# c
A=# c
A= # c
A= #c
A=#
A="b # c"
A='b # c'
A="b #c" # d
# A=b
#A=b
 # A=b
A=b \# c
A=b\
A=b\n
A="b\n"
A='b\n'
A="b\tc\rd\ae\bf\fg\vh"
A="\\"
A="\\\\"
A='\\'
A="\""
A='\''
A="it's"
A='it\'s'
A="say \"hi\""
A='say "hi"'
A="\'"
A='\"'
A="b\\"
A='b\\'
A='b\'
A="b\"
A="\c\d\e\x41\u0041\q"
A="\0"
A="\0101"
A="\0101\0102"
A="\101"
A="\01"
A="\012"
A="\0123"
A="\01234"
A="\0777"
A="\0377"
A="\0189"
A="\0089"
A="\00"
A="\000"
A="\0000"
A="\0303\0274"
A=\0101
A="\$SET"
A="\\$SET"
A="\\\$SET"
A=\$SET
A=\\$SET
A="\${SET}"
A=\${SET}
A="$$SET"
A=$$SET
A='$$SET'
A=$$$SET
A=$$$$SET
A=$SET
A="$SET"
A='$SET'
A=${SET}
A="${SET}"
A='${SET}'
A=$SET.x
A=$SETx
A=${SET}x
A=x$SET
A=x${SET}y
A=$SET$SET
A=$SET/$HOME
A=$UNSET
A=${UNSET}
A=$UNSET.x
A=$EMPTY
A=$lower $LOWER
A=${lower}
A=$1
A=$1a
A=$-
A=$.
A=$ a
A=$
A=a$
A="$"
A=$(pwd)
A=$[1]
A=${
A=${}
A=${1}
A=${ SET}
A=${SET
A="${SET"
A=${SET }
A=${SET.x}
A=${SET:}
A=${SET:x}
A=${SET:=x}
A=${SET=x}
A=${SET/x/y}
A=${#SET}
A=${!SET}
A=${SET:-d}
A=${UNSET:-d}
A=${EMPTY:-d}
A=${SET-d}
A=${UNSET-d}
A=${EMPTY-d}
A=${SET:+d}
A=${UNSET:+d}
A=${EMPTY:+d}
A=${SET+d}
A=${UNSET+d}
A=${EMPTY+d}
A=${SET:?d}
A=${UNSET:?d}
A=${EMPTY:?d}
A=${SET?d}
A=${UNSET?d}
A=${EMPTY?d}
A=${UNSET:?}
A=${UNSET?}
A=${UNSET:-}
A=${UNSET-}
A=${UNSET:-a b}
A=${UNSET:-a}b}
A=${UNSET:-{a}}
A=${UNSET:-{}}
A=${UNSET:-{}
A=${UNSET:-{a}
A=${UNSET:-a{b}c}
A=${UNSET:-{"a": 1}}
A=${UNSET:-{"a": {"b": 1}}}
A=${UNSET:-{{a}}}
A=${UNSET:-{}}x}
A=${UNSET:-$SET}
A=${UNSET:-${SET}}
A=${UNSET:-${UNSET}}
A=${UNSET:-${UNSET:-d}}
A=${UNSET:-${UNSET:-${SET}}}
A=${UNSET:-${EMPTY-d}}
A=${UNSET:-${SET:+d}}
A=${UNSET:-$$SET}
A=${UNSET:-$}
A=${UNSET:-${}}
A=${SET:-${}}
A=${UNSET:-${1}}
A=${SET:-${1}}
A=${UNSET:-a:-b}
A=${UNSET:-a-b?c+d}
A=${UNSET-a:-b}
A=${UNSET:-?}
A=${UNSET?:-d}
A=${SET?:-d}
A=${UNSET:?$SET}
A=${UNSET:?${}}
A=${SET:?${}}
A=${UNSET:--}
A=${UNSET:-:-}
A=${UNSET:+-}
A=${SET:+-}
A=${SET:+${UNSET:-x}}
A=${SET:+$SET}
A=${UNSET:-"q"}
A=${UNSET:-'q'}
A="${UNSET:-"q"}"
A="${UNSET:-\"q\"}"
A='${UNSET:-d}'
A=${UNSET:-a} # c
A=${UNSET:-a # c}
A="${UNSET:-a # c}"
A=${SET}${UNSET}${SET}
A=${UNSET:-a}${UNSET:-b}${UNSET:-c}
A=${UNSET:-a}$SET${SET:+b}
A=${UNSET:-a} and ${SET} and }
A=${UNSET:-a}}
A=${UNSET:-a}{b}
A=${SET}}
A=${SET:-a}${}
A=${SET:-a}${
A=${UNSET:-a}$
A=${UNSET:-a}$}
A=${UNSET:-a}${SET
A={$SET}
A={"a": "$SET"}
A={"a": $SET}
A={"a": "b", "c": {"d": 1}}
A='{"a": "b"}'
A="{\"a\": \"b\"}"
A="{'a': 'b'}"
A=postgres://u:p%40w@h:5432/db?a=b#c
A="postgres://u:p@ss$word@h/db"
A='postgres://u:p@ss$word@h/db'
A=postgres://u:p@ss$word@h/db
A=postgres://u:p@ss$$word@h/db
A=pa$$word
A="pa$$word"
A=C:\Users\me
A="C:\Users\new"
A='C:\Users\new'
A=~/x
A=$HOME/x
A=~
A=*
A=a;b
A=a&b|c
A=!a
A=<a>
A: b
A:b
A : b
A:
A: "b"
A: 'b' # c
A:=b
A=:b
A: b: c
A:b=c
export A=b
export  A=b
export	A=b
export A = b
export A="b" # c
 export A=b
export A
export
export =b
export=b
exported=b
exportA=b
EXPORT A=b
export export A=b
export A: b
export 'A'=b
A
A B
A B=c
A	B=c
=b
 = b
: b
=
"A"=b
'A'=b
A.B=c
A-B=c
A[0]=c
A_B=c
_A=b
1A=b
1=b
A1=b
a=b
.=b
-=b
[]=b
A,B=c
A;B=c
A+=b
A?=b
A!=b
A$B=c
$A=b
A/B=c
A\B=c
A(B)=c
A@B=c
A*=c
Ä=b
Äö=b
日本=語
A=日本 # 語
A="日本\n語"
A=é
A=…
A="a b
A=a  b
A=a  # b
A=  a  
A="a"  
A=a,b
A=[1, 2]
A=true
A=null
A=1e3
A='a'b'
A='a''b'
A='a' 'b'
A="a""b"
A="a" "b"
A='a'"b"
A=a'b'c
A=a"b"c
A=a"b # c"
A="a'b'c"
A="a\
A=\"b\"
A=\'b\'
A="\ b"
A="a\zb"
A="\n\\n\\\n"
A="tab	in"
set A=b
A:"b"
A=b # c # d
A=b#c # d
A=b ## c
A="a#b"
A=%SET%
A=#b
A= b #
A=''#c
A="" #c
A=''c
AIRFLOW__SECRETS__BACKEND=airflow.providers.hashicorp.secrets.vault.VaultBackend
AIRFLOW__SECRETS__BACKEND_KWARGS={"connections_path": "connections", "url": "http://x", "mount_point": "airflow"}
AIRFLOW__SECRETS__BACKEND_KWARGS='{"connections_prefix": "airflow/connections", "variables_prefix": null}'
AIRFLOW_CONN_PG='{"conn_type": "postgres", "password": "a b # c$d"}'
AIRFLOW_CONN_PG="{\"conn_type\": \"postgres\", \"password\": \"a\\\"b\"}"
AIRFLOW_CONN_PG={"conn_type": "postgres", "extra": {"a": "#1 # 2"}}
"""

# Files of several lines.
FILES = [
    "",
    "\n",
    "\n\n \n\t\n",
    "# only a comment",
    "# only a comment\n",
    "A=b\nC=d\n",
    "A=b\r\nC=d\r\n",
    "A=b\rC=d\r",
    "A=\r\nC=d",
    'A="b\r\nc"\r\nC=d\r\n',
    "\ufeffA=b\n",
    "A=\nB=c\n",
    "A= \nB=c\n",
    "A=b\nA=c\n",
    "A=b\nA\n",
    "SET=file\nB=$SET\n",
    "SET\nB=$SET\n",
    "UNSET\nB=$UNSET\n",
    "A\nB\nC\n",
    "A=b\nB=$A\n",
    "B=$A\nA=b\n",
    "A=b\nA=$A$A\nA=$A$A\n",
    "A='$SET'\nB=$A\n",
    "A=$$SET\nB=$A\nC=$B\n",
    "EMPTY=x\nB=${EMPTY:-d}\n",
    'A="b\nc"\nD=e\n',
    'A="b\n\nc\n"\nD=e\n',
    "A='b\nc'\nD=e\n",
    'A="b\nc',
    'A="b\nC="d"\n',
    "A='b\nC='d'\n",
    'A="b\\\nc"\n',
    "A='b\\\nc'\n",
    "A=b\\\nC=d\n",
    'A="\n"\n',
    'A="# b\n# c"\n',
    'A="b" # c\n# d\nE=f\n',
    'A="b"C=d\n',
    'A="b" C="d" E=f\n',
    'A="b"\n"c"\n',
    'A={"a": 1,\n"b": 2}\n',
    'A=\'{"a": 1,\n"b": 2}\'\n',
    'A="{\n  \\"a\\": 1\n}"\n',
    "A=-----BEGIN KEY-----\nabc\n-----END KEY-----\n",
    'A="-----BEGIN KEY-----\nabc/+=\n-----END KEY-----"\n',
    'A="-----BEGIN KEY-----\\nabc\\n-----END KEY-----\\n"\n',
    "A='-----BEGIN KEY-----\\nabc\\n'\n",
    "A=${UNSET:-a\nb}\n",
    'A="${UNSET:-a\nb}"\n',
    'A="${SET:-a\nb}"\n',
    'A="${SET}\n${UNSET:-c}"\n',
    'A="$SET\n$SET"\n',
    'A="${UNSET:-a}\nb}"\n',
    'A="a}\n${UNSET:-b"\n',
    'A="$\nSET"\n',
    'A="${\nSET}"\n',
    "export\nA=b\n",
    "export A\nB=c\n",
    "export \n",
    "export\tA=b\nexport\n",
    "A=b\n=c\n",
    "A=b\nB c\n",
    "A b\n",
    "A\tb\n",
    "A \n",
    " A \nB=c\n",
    "A=b\n\n\n\nC=d",
    "A=b\x0bC=d\n",
    "A=b\x0c\n",
    "A=\xa0b\xa0\n",
    "A\xa0=b\n",
    "A\xa0B=c\n",
    "A=\u2003b\u2003\n",
    "\u2003A=b\n",
    "A\u2003=b\n",
    "A=b\u2028C=d\n",
    "A=\x85b\x85\n",
    "A=b\u3000# c\n",
    'A="b"\u2003# c\n',
    "A=b\x00c\n",
    "# c\n\n# d\nA=b # e\n# f",
    "A='multi\nline # with\n\"quotes\"' # and a comment\nB=c",
    "X=1\nY=${X:+${X}0}\nZ=${Y:-none}-$X\n",
    "URL=postgres://$USER_:${PW}@h\nUSER_=u\nPW=p\nURL2=postgres://$USER_:${PW}@h\n",
]

# Pieces that random files are made of.
PIECES = [
    "A", "B", "C", "SET", "UNSET", "EMPTY", "export ", "=", "=", "=", ":", " ", " ", "\t", "\n", "\n",
    "\n", "\r\n", "#", " #", " # ", '"', '"', "'", "'", "\\", "\\n", '\\"', "\\\\", "\\$", "$", "$$",
    "$SET", "$UNSET", "$A", "${", "}", "${SET}", "${A}", "${UNSET:-", "${SET:+", "${EMPTY-", "${UNSET?",
    ":-", "-", "{", "{}", "b", "c d", "1", "\\0", "\\0101", "ü", ".", "x",
]
VALUES = [
    "b", "c d", "$SET", "${SET}", "${UNSET:-", "}", "}", "${EMPTY:-", "${A:+", "${B-", "$A", "$B", "$$", "$",
    "{", "{\"a\": 1}", "\\", "\\n", "\\$", "\\\\", " #", "#", " ", "'", '"', "\n", "-", "?", "+", ":",
]


def random_file(rng):
    if rng.random() < 0.4:
        return "".join(rng.choice(PIECES) for _ in range(rng.randint(1, 14)))
    lines = []
    for name in rng.sample(["A", "B", "C"], rng.randint(1, 3)):
        quote = rng.choice(["", '"', "'"])
        value = "".join(rng.choice(VALUES) for _ in range(rng.randint(0, 8)))
        lines.append(f"{name}={quote}{value}{quote}\n")
    return "".join(lines)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=1200)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    texts = [line for line in LINES.split("\n") if line]
    texts += [line + "\nLAST=z\n" for line in texts] + FILES
    texts += [random_file(rng) for _ in range(arguments.cases - len(texts))]
    for text in texts:
        print(json.dumps({"text": text, "process": PROCESS}))


main()
