//! How a command ends badly: an exit code and a text that says place, reason and fix.

use std::process::ExitCode;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// It failed at run time.
    Failed = 1,
    /// The files are wrong.
    Files = 2,
    /// The surroundings are: port, disk, permission.
    Surroundings = 3,
}

#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    text: String,
}

impl Failure {
    pub fn failed(text: impl ToString) -> Failure {
        Failure { exit: Exit::Failed, text: text.to_string() }
    }

    pub fn files(text: impl ToString) -> Failure {
        Failure { exit: Exit::Files, text: text.to_string() }
    }

    pub fn surroundings(text: impl ToString) -> Failure {
        Failure { exit: Exit::Surroundings, text: text.to_string() }
    }

    /// It failed, and the JSON that was printed says how.
    pub fn told() -> Failure {
        Failure::failed("")
    }

    pub(super) fn report(self, json: bool) -> ExitCode {
        if self.text.is_empty() {
            // Told already.
        } else if json {
            say!("{}", serde_json::json!({ "exit": self.exit as u8, "error": self.text }));
        } else if self.text.starts_with("error") {
            eprintln!("{}", self.text);
        } else {
            eprintln!("error: {}", self.text);
        }
        ExitCode::from(self.exit as u8)
    }
}

impl From<crate::config::Error> for Failure {
    fn from(error: crate::config::Error) -> Failure {
        Failure::files(error)
    }
}
