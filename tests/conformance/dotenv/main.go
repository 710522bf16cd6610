// Reads `.env` files with Docker Compose's own reader: a JSON line {"text", "process"} on standard
// input, the same with "values" on standard output, or with null where Compose refuses the file.
// "nameless" is whether a value without a name is among them, other than for the want of a newline at
// the end.
package main

import (
	"bufio"
	"encoding/json"
	"io"
	"log"
	"os"
	"strings"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/sirupsen/logrus"
)

type testCase struct {
	Text    string            `json:"text"`
	Process map[string]string `json:"process"`
	Values  map[string]string `json:"values"`

	Nameless bool `json:"nameless"`
}

func main() {
	logrus.SetOutput(io.Discard)
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for lines.Scan() {
		var one testCase
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			log.Fatal(err)
		}
		lookUp := func(name string) (string, bool) {
			value, ok := one.Process[name]
			return value, ok
		}
		values, err := dotenv.ParseWithLookup(strings.NewReader(one.Text), lookUp)
		if err == nil {
			one.Values = values
			ended, err := dotenv.ParseWithLookup(strings.NewReader(one.Text+"\n"), lookUp)
			_, nameless := ended[""]
			one.Nameless = nameless || err != nil
		}
		if err := out.Encode(one); err != nil {
			log.Fatal(err)
		}
	}
}
