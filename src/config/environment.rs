//! The environment: `MINIUM_MAXMEMORY=512mb` sets `maxmemory`, and `MINIUM_REQUIREPASS_FILE=/run/secrets/pass` sets
//! `requirepass` to the content of that file, so that a secret need not stand in the environment.

use std::ffi::OsString;
use std::path::PathBuf;

use super::directive::Directive;
use super::directives;
use super::load::{LoadError, Origin, Problem, Statement};
use super::nearest::nearest;
use super::value::plain;

const PREFIX: &str = "MINIUM_";
const FROM_FILE: &str = "_FILE";

/// The statements of the variables that name directives, and a warning for each other one with the prefix.
pub fn statements(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<(Vec<Statement>, Vec<String>), LoadError> {
    let mut ours: Vec<(String, OsString)> = variables
        .into_iter()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, _)| name.starts_with(PREFIX))
        .collect();
    // The system lists variables in no particular order; two names of one directive should not race.
    ours.sort_unstable();

    let mut statements = Vec::new();
    let mut warnings = Vec::new();
    for (variable, value) in ours {
        let name = &variable[PREFIX.len()..];
        let origin = Origin::Variable(variable.clone());
        if let Some(directive) = named(name) {
            let args = vec![value.into_encoded_bytes()];
            statements.push(Statement {
                name: directive.name.into(),
                args,
                origin,
            });
        } else if let Some(directive) = name.strip_suffix(FROM_FILE).and_then(named) {
            let path = PathBuf::from(value);
            let mut content = std::fs::read(&path).map_err(|error| {
                LoadError::at(
                    origin.clone(),
                    Problem::Unreadable {
                        path,
                        reason: plain(&error),
                    },
                )
            })?;
            while content.last().is_some_and(|byte| b"\r\n".contains(byte)) {
                content.pop();
            }
            statements.push(Statement {
                name: directive.name.into(),
                args: vec![content],
                origin,
            });
        } else {
            warnings.push(unknown(&variable, name));
        }
    }
    Ok((statements, warnings))
}

/// The directive whose name is `variable`, but for letter case and dashes.
fn named(variable: &str) -> Option<&'static Directive> {
    directives().find(|directive| {
        directive
            .names()
            .any(|name| as_variable(name) == variable.to_ascii_uppercase())
    })
}

fn as_variable(name: &str) -> String {
    name.replace('-', "_").to_ascii_uppercase()
}

fn unknown(variable: &str, name: &str) -> String {
    let dashed = name.replace('_', "-").to_ascii_lowercase();
    let near = nearest(
        &dashed,
        directives().flat_map(|directive| directive.names()),
    )
    .map(|near| format!("; did you mean '{PREFIX}{}'?", as_variable(near)))
    .unwrap_or_default();
    format!("environment variable {variable} names no directive{near}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> (Vec<(String, String)>, Vec<String>) {
        let variables = variables
            .iter()
            .map(|(name, value)| (name.into(), value.into()));
        let (statements, warnings) =
            statements(variables).unwrap_or_else(|error| panic!("{error}"));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let settings = statements
            .iter()
            .map(|one| (text(&one.name), text(&one.args[0])))
            .collect();
        (settings, warnings)
    }

    #[test]
    fn variables_name_directives() {
        let (settings, warnings) = read(&[
            ("MINIUM_MAXMEMORY", "1gb"),
            ("PATH", "/bin"),
            ("MINIUM_SERVER_CPULIST", "0"),
        ]);
        let expected = [("maxmemory", "1gb"), ("server_cpulist", "0")];
        assert_eq!(
            settings,
            expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
        assert!(warnings.is_empty());
    }

    #[test]
    fn a_file_holds_the_value_up_to_its_last_newline() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "s3cret \n").unwrap();
        let path = file.path().to_str().unwrap();
        let (settings, _) = read(&[
            ("MINIUM_REQUIREPASS_FILE", path),
            ("MINIUM_TLS_KEY_FILE", path),
        ]);
        assert_eq!(
            settings[0],
            ("requirepass".to_owned(), "s3cret ".to_owned())
        );
        assert_eq!(
            settings[1],
            ("tls-key-file".to_owned(), path.to_owned()),
            "a directive that ends in -file"
        );
        let missing = [(
            OsString::from("MINIUM_REQUIREPASS_FILE"),
            OsString::from("/no/such/file"),
        )];
        let error = statements(missing).unwrap_err().to_string();
        assert!(
            error.contains(
                "MINIUM_REQUIREPASS_FILE\nFatal error, can't open config file '/no/such/file'"
            ),
            "{error}"
        );
    }

    #[test]
    fn an_unknown_variable_is_a_warning() {
        let (settings, warnings) = read(&[("MINIUM_MAXMEMROY", "1")]);
        assert!(settings.is_empty());
        assert_eq!(
            warnings,
            [
                "environment variable MINIUM_MAXMEMROY names no directive; did you mean 'MINIUM_MAXMEMORY'?"
            ]
        );
    }
}
