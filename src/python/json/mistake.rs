//! What a text that should be JSON most likely is instead.

use secrecy::zeroize::Zeroizing;

/// The likely mistake, judged from the text, and its remedy, after a colon; empty where none is
/// known. Never a piece of the text, which may be a secret.
pub(crate) fn likely_mistake(text: &str) -> &'static str {
    let text = text.trim();
    let compact = text.chars().filter(|c| !c.is_whitespace());
    let compact = Zeroizing::new(compact.collect::<String>());
    let is_wrapped_in = |quote| {
        text.len() > 1 && text.starts_with(quote) && text.ends_with(quote) && compact.contains('{')
    };
    if text.starts_with('\u{feff}') {
        ": it starts with a byte order mark; save it as UTF-8 without BOM"
    } else if text.contains('\0') {
        ": it contains NUL characters, as UTF-16 has; save it as UTF-8"
    } else if is_wrapped_in('\'') || is_wrapped_in('"') {
        ": the quotes around it are part of the value; no shell \
         removes them in a .env file or a Kubernetes manifest, so leave them out"
    } else if compact.contains(r#":"{""#) {
        ": it looks like a JSON key file pasted between quotes; give the file itself, without \
         quotes around it, or write each quote in it as \\\" and each line break as \\n"
    } else if text.contains("-----BEGIN") && text.contains('\n') {
        ": it looks like a key with its line breaks; write each line break in a text as \\n"
    } else if compact.contains(r#"{\""#) {
        ": its quotes are escaped with backslashes, which are part of the value; remove them"
    } else if compact.starts_with("{'") {
        ": it looks like a Python dict; JSON needs double quotes, true, false and null"
    } else if text.contains(['\u{201c}', '\u{201d}']) {
        ": it contains typographic quotes; JSON needs plain double quotes"
    } else if compact.contains(":$") {
        ": it refers to a variable that was not replaced by its value"
    } else if compact.contains(",}") || compact.contains(",]") {
        ": it contains a comma before a closing bracket; remove the comma"
    } else if compact.starts_with('{') && !compact.contains('"') {
        ": it contains no double quotes; a shell may have removed them, so put single quotes \
         around the whole value there"
    } else if !compact.starts_with('{') {
        ": it must start with {"
    } else {
        ""
    }
}
