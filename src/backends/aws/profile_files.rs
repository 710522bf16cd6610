//! AWS's two files of profiles, as boto3 reads them with Python's `RawConfigParser`.

use std::{collections::HashMap, io, path::PathBuf};

use crate::{
    Environment, Failure, Secret, files,
    python::{
        config_parser::{ConfigParser, OptionNames},
        path::{expand_user, expand_variables},
        shlex,
        text::{is_line_end, strip},
    },
};

/// Sections, by the names that boto3 uses.
type Sections = HashMap<String, Section>;

/// The content of the two files.
#[derive(Default)]
pub(super) struct ProfileFiles {
    /// The profiles of both files. Where both set an option, the credentials file wins.
    profiles: Sections,
    of_credentials: Sections,
    of_config: Sections,
    sso_sessions: Sections,
    services: Sections,
}

/// The options of a profile, of an SSO session, or of a set of services.
#[derive(Clone, Default)]
pub(super) struct Section(HashMap<String, OptionValue>);

#[derive(Clone)]
enum OptionValue {
    Text(Secret),
    /// Indented options below the name.
    Nested(HashMap<String, Secret>),
}

/// An option holds text where indented options are expected below it.
pub(super) struct IsText;

impl Section {
    /// The value of `option`, if it is text.
    pub(super) fn get(&self, option: &str) -> Option<&str> {
        match self.0.get(option)? {
            OptionValue::Text(text) => Some(text.expose()),
            OptionValue::Nested(_) => None,
        }
    }

    /// The value of `inner` among the options that are indented below `option`.
    ///
    /// # Errors
    /// When `option` holds text instead.
    pub(super) fn nested(&self, option: &str, inner: &str) -> Result<Option<&str>, IsText> {
        match self.0.get(option) {
            None => Ok(None),
            Some(OptionValue::Text(_)) => Err(IsText),
            Some(OptionValue::Nested(options)) => Ok(options.get(inner).map(Secret::expose)),
        }
    }
}

impl ProfileFiles {
    /// Reads `~/.aws/config` and `~/.aws/credentials`, or the files that variables name. As in
    /// boto3, a file that cannot be opened, or is not a regular file, is treated as empty.
    ///
    /// # Errors
    /// When a file is malformed, with its line, or too large.
    pub(super) async fn read(environment: &Environment) -> Result<Self, Failure> {
        let config = sections(environment, "AWS_CONFIG_FILE", "~/.aws/config").await?;
        let variable = "AWS_SHARED_CREDENTIALS_FILE";
        let credentials = sections(environment, variable, "~/.aws/credentials").await?;
        let mut files = Self {
            of_credentials: credentials.into_iter().collect(),
            ..Self::default()
        };
        for (header, section) in config {
            files.add_to_config(header, section);
        }
        files.profiles = files.of_config.clone();
        for (name, section) in &files.of_credentials {
            let profile = files.profiles.entry(name.clone()).or_default();
            profile.0.extend(section.0.clone());
        }
        Ok(files)
    }

    /// A section's header in the configuration file is its kind and its name, which may be quoted.
    fn add_to_config(&mut self, header: String, section: Section) {
        let of_kind = if header.starts_with("profile") {
            &mut self.of_config
        } else if header.starts_with("sso-session") {
            &mut self.sso_sessions
        } else if header.starts_with("services") {
            &mut self.services
        } else {
            if header == "default" {
                self.of_config.insert(header, section);
            }
            return;
        };
        if let Ok([_, name]) = shlex::split(&header).as_deref() {
            of_kind.insert(name.clone(), section);
        }
    }

    /// A profile, merged from both files.
    pub(super) fn profile(&self, name: &str) -> Option<&Section> {
        self.profiles.get(name)
    }

    /// A profile as the credentials file alone defines it, and as the configuration file alone does.
    pub(super) fn in_each_file(&self, name: &str) -> [Option<&Section>; 2] {
        [&self.of_credentials, &self.of_config].map(|file| file.get(name))
    }

    pub(super) fn sso_session(&self, name: &str) -> Option<&Section> {
        self.sso_sessions.get(name)
    }

    /// A `services` section, which holds endpoints and which a profile may name.
    pub(super) fn services(&self, name: &str) -> Option<&Section> {
        self.services
            .get(name)
            .filter(|section| !section.0.is_empty())
    }
}

/// The sections of the file that `variable` names, in order.
async fn sections(
    environment: &Environment,
    variable: &str,
    default: &str,
) -> Result<Vec<(String, Section)>, Failure> {
    let path = environment.get(variable).unwrap_or(default);
    let path = expand_variables(path, environment).unwrap_or_default();
    let path = expand_user(path, environment);
    let path = PathBuf::from(path);
    let bytes = match files::read_in_background(&path).await {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            let file = path.display();
            return Err(Failure::configuration(format!(
                "the AWS profile file {file} cannot be read: {error}"
            )));
        }
        Err(_) => return Ok(Vec::new()),
    };
    let wrong = |line: usize, why: &str| {
        let file = path.display();
        Failure::configuration(format!("the AWS profile file {file}, line {line}: {why}"))
    };
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let before = bytes.iter().take(error.valid_up_to());
        let line = 1 + before.filter(|byte| **byte == b'\n').count();
        wrong(line, "the file is not UTF-8: save it as UTF-8")
    })?;
    let parser = ConfigParser::read(text, OptionNames::LowerCase);
    let parser = parser.map_err(|error| wrong(error.line, &error.message))?;
    let sections = parser.sections().map(|(header, options)| {
        let options = options.map(|(option, value)| match option_value(&value.text) {
            Some(parsed) => Ok((option.to_owned(), parsed)),
            None => Err(wrong(
                value.line,
                "each indented line below this option must be an option, `name = value`",
            )),
        });
        Ok((
            header.to_owned(),
            Section(options.collect::<Result<_, _>>()?),
        ))
    });
    sections.collect()
}

/// The parsed value of an option: options, where the value begins on the next line. `None` where
/// such a line is not an option.
fn option_value(text: &Secret) -> Option<OptionValue> {
    let Some(lines) = text.expose().strip_prefix('\n') else {
        return Some(OptionValue::Text(text.clone()));
    };
    let lines = lines.split(is_line_end).map(strip);
    let lines = lines.filter(|line| !line.is_empty());
    let options = lines.map(|line| {
        let (option, value) = line.split_once('=')?;
        Some((strip(option).to_owned(), Secret::from(strip(value))))
    });
    Some(OptionValue::Nested(options.collect::<Option<_>>()?))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// The content of both files, as botocore's `full_config` shows it; null where one is malformed.
    async fn read(case: &Value) -> Value {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        for name in ["config", "credentials"] {
            if let Some(text) = case[name].as_str() {
                std::fs::write(path(name), text).unwrap();
            }
        }
        let environment = Environment::from_iter([
            ("AWS_CONFIG_FILE", path("config")),
            ("AWS_SHARED_CREDENTIALS_FILE", path("credentials")),
        ]);
        let Ok(files) = ProfileFiles::read(&environment).await else {
            return Value::Null;
        };
        json!({
            "profiles": shown(&files.profiles),
            "sso_sessions": shown(&files.sso_sessions),
            "services": shown(&files.services),
        })
    }

    fn shown(sections: &Sections) -> Value {
        let sections = sections.iter().map(|(name, section)| {
            let options = section.0.iter().map(|(option, value)| {
                let value = match value {
                    OptionValue::Text(text) => Value::from(text.expose()),
                    OptionValue::Nested(options) => {
                        let options = options.iter();
                        options
                            .map(|(option, value)| (option.clone(), Value::from(value.expose())))
                            .collect()
                    }
                };
                (option.clone(), value)
            });
            (name.clone(), options.collect::<Value>())
        });
        sections.collect()
    }

    #[tokio::test]
    async fn files_are_read_as_botocore_reads_them() {
        let corpus = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/conformance/aws_profile_files.jsonl"
        );
        let corpus = std::fs::read_to_string(corpus).unwrap();
        let mut different = Vec::new();
        for line in corpus.lines() {
            let case = serde_json::from_str::<Value>(line).unwrap();
            let read = read(&case).await;
            if read != case["read"] {
                different.push(format!("{line}\n  here: {read}"));
            }
        }
        assert_eq!(corpus.lines().count(), 1200);
        assert!(different.is_empty(), "{}", different.join("\n"));
    }

    #[tokio::test]
    async fn a_malformed_file_is_named_with_its_line_and_without_its_text() {
        for (text, line, why) in [
            (
                "[p]\na = 1\nhunter2\n",
                3,
                "this line is neither a [section], a comment nor 'option = value'",
            ),
            (
                "hunter2\n",
                1,
                "the line comes before the first [section]: put a section above it",
            ),
            (
                "\u{feff}[p]\n",
                1,
                "the file starts with a byte order mark, which Airflow refuses: save it as UTF-8 without BOM",
            ),
            (
                "[p]\n[p]\n",
                2,
                "this section is defined a second time, after line 1: remove one of them",
            ),
            (
                "[p]\nA = 1\na = 2\n",
                3,
                "this option is defined a second time, after line 2: remove one of them",
            ),
            (
                "[p]\ns3 =\n  hunter2\n",
                2,
                "each indented line below this option must be an option, `name = value`",
            ),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("config");
            std::fs::write(&path, text).unwrap();
            let path = path.to_str().unwrap();
            let environment =
                Environment::from_iter([("AWS_CONFIG_FILE", path), ("HOME", "/nowhere")]);
            let failure = ProfileFiles::read(&environment).await.err().unwrap();
            let expected = format!("the AWS profile file {path}, line {line}: {why}");
            assert_eq!(failure.message(), expected);
        }
    }
}
