//! `int`, `float` and `repr(float)`.

/// The most digits that Python turns from or into an integer (`sys.int_info`).
pub(crate) const MAX_DIGITS: usize = 4300;

/// The zeros of all decimal digits of Unicode 14 but ASCII's; each is followed by its one to nine.
const ZEROS: [char; 65] = [
    '\u{660}',
    '\u{6f0}',
    '\u{7c0}',
    '\u{966}',
    '\u{9e6}',
    '\u{a66}',
    '\u{ae6}',
    '\u{b66}',
    '\u{be6}',
    '\u{c66}',
    '\u{ce6}',
    '\u{d66}',
    '\u{de6}',
    '\u{e50}',
    '\u{ed0}',
    '\u{f20}',
    '\u{1040}',
    '\u{1090}',
    '\u{17e0}',
    '\u{1810}',
    '\u{1946}',
    '\u{19d0}',
    '\u{1a80}',
    '\u{1a90}',
    '\u{1b50}',
    '\u{1bb0}',
    '\u{1c40}',
    '\u{1c50}',
    '\u{a620}',
    '\u{a8d0}',
    '\u{a900}',
    '\u{a9d0}',
    '\u{a9f0}',
    '\u{aa50}',
    '\u{abf0}',
    '\u{ff10}',
    '\u{104a0}',
    '\u{10d30}',
    '\u{11066}',
    '\u{110f0}',
    '\u{11136}',
    '\u{111d0}',
    '\u{112f0}',
    '\u{11450}',
    '\u{114d0}',
    '\u{11650}',
    '\u{116c0}',
    '\u{11730}',
    '\u{118e0}',
    '\u{11950}',
    '\u{11c50}',
    '\u{11d50}',
    '\u{11da0}',
    '\u{16a60}',
    '\u{16ac0}',
    '\u{16b50}',
    '\u{1d7ce}',
    '\u{1d7d8}',
    '\u{1d7e2}',
    '\u{1d7ec}',
    '\u{1d7f6}',
    '\u{1e140}',
    '\u{1e2f0}',
    '\u{1e950}',
    '\u{1fbf0}',
];

/// `int(text)`, where it fits: digits of any script with single `_` between them, a sign before and
/// white space around.
pub(crate) fn int(text: &str) -> Option<i64> {
    // `int` strips less than `str.strip`: the four separators stay.
    let text = text.trim();
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = ascii_digits(digits)?;
    if digits.len() > MAX_DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let sign = if is_negative { "-" } else { "" };
    format!("{sign}{digits}").parse().ok()
}

/// `int(text)`, where that is a port.
pub(crate) fn port(text: &str) -> Option<u16> {
    u16::try_from(int(text)?).ok()
}

/// `float(text)`.
pub(crate) fn float(text: &str) -> Option<f64> {
    ascii_digits(text.trim())?.parse().ok()
}

/// `text` with digits of any script as ASCII's, without the `_` between them; `None` where a `_`
/// does not stand between two digits.
fn ascii_digits(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars().map(ascii_digit).peekable();
    let mut is_after_digit = false;
    while let Some(c) = characters.next() {
        if c == '_' {
            let is_before_digit = characters.peek().is_some_and(char::is_ascii_digit);
            (is_after_digit && is_before_digit).then_some(())?;
        } else {
            out.push(c);
        }
        is_after_digit = c.is_ascii_digit();
    }
    Some(out)
}

/// A decimal digit of any script as ASCII's; any other character as it is.
fn ascii_digit(c: char) -> char {
    if c.is_ascii() {
        return c;
    }
    let digit = ZEROS.iter().find_map(|&zero| {
        let value = u32::from(c).checked_sub(u32::from(zero))?;
        char::from_digit(value, 10)
    });
    digit.unwrap_or(c)
}

/// `repr(value)` of a finite number.
pub(crate) fn repr(value: f64) -> String {
    let scientific = shortest(value);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent = exponent.parse::<i32>().unwrap_or_default();
    if !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs());
    }
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(mantissa) => ("-", mantissa),
        None => ("", mantissa),
    };
    let digits = mantissa.replace('.', "");
    let shift = usize::try_from(exponent.unsigned_abs()).unwrap_or_default();
    if exponent < 0 {
        return format!("{sign}0.{}{digits}", "0".repeat(shift - 1));
    }
    let (whole, fraction) = digits.split_at_checked(shift + 1).unwrap_or((&digits, ""));
    let zeros = "0".repeat(shift + 1 - whole.len());
    let fraction = if fraction.is_empty() { "0" } else { fraction };
    format!("{sign}{whole}{zeros}.{fraction}")
}

/// The fewest digits that mean this number, in scientific notation. Where two such numbers are
/// equally near, Rust takes the greater one, and Python the one whose last digit is even.
fn shortest(value: f64) -> String {
    let shortest = format!("{value:e}");
    let mantissa = shortest.split('e').next().unwrap_or_default();
    let decimals = mantissa
        .split_once('.')
        .map_or(0, |(_, decimals)| decimals.len());
    let even = format!("{value:.decimals$e}");
    if even.parse() == Ok(value) {
        even
    } else {
        shortest
    }
}
