//! A problem of a route file as an admin reads it: code, place, reason, fix; shown as rustc shows its
//! own. Here is also the one list of codes.

use std::fmt;

use serde::Serialize;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// `CD0103`; one of [`code::ALL`].
    pub code: &'static str,
    pub severity: Severity,
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// In characters, at least 1, never past the end of the line.
    pub length: u32,
    pub source_line: String,
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The file makes no plan.
    Error,
    Warning,
}

impl Report {
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        writeln!(f, "{severity}[{}]: {}", self.code, self.message)?;
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        writeln!(f, "{margin}--> {}:{}:{}", self.file, self.line, self.column)?;
        writeln!(f, "{margin} |")?;
        // A tab is one column wide here, so that the marks stand below what they mark.
        writeln!(f, "{number} | {}", self.source_line.replace('\t', " "))?;
        let indent = " ".repeat(self.column.saturating_sub(1) as usize);
        write!(f, "{margin} | {indent}{}", "^".repeat(self.length.max(1) as usize))?;
        if let Some(help) = &self.help {
            write!(f, "\n{margin} = help: {help}")?;
        }
        Ok(())
    }
}

/// Every code, once. A code is never reused for another meaning.
pub mod code {
    macro_rules! codes {
        ($($(#[doc = $doc:literal])+ $name:ident = $code:literal;)+) => {
            $($(#[doc = $doc])+ pub const $name: &str = $code;)+
            /// Code and meaning, in order.
            pub const ALL: &[(&str, &str)] = &[$(($code, concat!($($doc),+))),+];
        };
    }

    codes! {
        /// The file is not TOML.
        SYNTAX = "CD0001";

        /// A key that must be there is missing.
        MISSING_KEY = "CD0101";
        /// A key that nothing reads here.
        UNKNOWN_KEY = "CD0102";
        /// A value of another TOML type than the key takes.
        WRONG_KIND = "CD0103";
        /// A literal that is not one of the values that the key takes.
        BAD_VALUE = "CD0104";
        /// A name that cannot be used as such.
        BAD_NAME = "CD0105";
        /// Two steps of one name.
        DUPLICATE_STEP = "CD0106";
        /// A step is not of exactly one kind.
        STEP_KIND = "CD0107";
        /// A step that no message reaches.
        UNREACHABLE = "CD0108";
        /// The route has not exactly one source.
        SOURCE_KIND = "CD0109";
        /// More, larger or deeper than a named limit.
        TOO_LARGE = "CD0110";
        /// A reply that names a step that cannot give one.
        REPLY_STEP = "CD0111";
        /// A route that replies before its effects are on disk does more than it may.
        NOT_DURABLE = "CD0112";
        /// A saga that could not take back what it did, or what only a saga has.
        SAGA = "CD0113";
        /// `once` where there is no effect to be one.
        ONCE = "CD0114";

        /// A character or literal that is not CEL.
        TOKEN = "CD0201";
        /// Tokens in an order that is not CEL.
        EXPRESSION_SYNTAX = "CD0202";
        /// An expression beyond a limit of the language.
        EXPRESSION_TOO_LARGE = "CD0203";
        /// A name that is not in scope.
        UNKNOWN_NAME = "CD0204";
        /// A field that the type does not have.
        UNKNOWN_FIELD = "CD0205";
        /// A case that the type does not have.
        UNKNOWN_CASE = "CD0206";
        /// A function that does not exist.
        UNKNOWN_FUNCTION = "CD0207";
        /// A function or operator that does not take these types.
        OVERLOAD = "CD0208";
        /// A value that does not fit where it goes.
        TYPE = "CD0209";
        /// An optional value used as if it were always there.
        OPTIONAL = "CD0210";
        /// The payload of a case that was not tested.
        CASE_UNTESTED = "CD0211";
        /// A required field is missing.
        MISSING_FIELD = "CD0212";
        /// A literal that is not a value of its type.
        LITERAL = "CD0213";
        /// A macro written in a form that it does not have.
        MACRO = "CD0214";
        /// Something else is wrong with an expression.
        EXPRESSION = "CD0215";
        /// A step is named before it has run.
        STEP_LATER = "CD0216";
        /// A step is named that has no result.
        STEP_WITHOUT_RESULT = "CD0217";

        /// No connector of that alias.
        UNKNOWN_CONNECTOR = "CD0301";
        /// The connector offers no such operation.
        UNKNOWN_OPERATION = "CD0302";
        /// No contract has this type.
        UNKNOWN_TYPE = "CD0303";
        /// The configuration has no such limit.
        UNKNOWN_LIMIT = "CD0304";
        /// The operation is not a source of this kind.
        NOT_A_SOURCE = "CD0305";
        /// An operation that a route cannot call.
        NOT_CALLABLE = "CD0306";
        /// No object of that name.
        UNKNOWN_OBJECT = "CD0307";
        /// No retry policy of that name.
        UNKNOWN_RETRY = "CD0308";

        /// Two routes of one name.
        DUPLICATE_ROUTE = "CD0401";
        /// Two routes listen at one place.
        DUPLICATE_ENDPOINT = "CD0402";
        /// Routes publish to each other in a circle.
        CYCLE = "CD0403";
    }

    /// The code of a problem that crate `expression` names by a word.
    pub(crate) fn of_expression(word: &str) -> &'static str {
        use expression::code as word_of;
        match word {
            word_of::TOKEN => TOKEN,
            word_of::SYNTAX => EXPRESSION_SYNTAX,
            word_of::TOO_LARGE => EXPRESSION_TOO_LARGE,
            word_of::UNKNOWN_NAME => UNKNOWN_NAME,
            word_of::UNKNOWN_FIELD => UNKNOWN_FIELD,
            word_of::UNKNOWN_CASE => UNKNOWN_CASE,
            word_of::UNKNOWN_FUNCTION => UNKNOWN_FUNCTION,
            word_of::OVERLOAD => OVERLOAD,
            word_of::TYPE => TYPE,
            word_of::OPTIONAL => OPTIONAL,
            word_of::CASE_UNTESTED => CASE_UNTESTED,
            word_of::MISSING_FIELD => MISSING_FIELD,
            word_of::LITERAL => LITERAL,
            word_of::MACRO => MACRO,
            _ => EXPRESSION,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_one_meaning_and_a_meaning_one_code() {
        let codes: std::collections::BTreeSet<_> = code::ALL.iter().map(|(code, _)| code).collect();
        let meanings: std::collections::BTreeSet<_> =
            code::ALL.iter().map(|(_, text)| text).collect();
        assert_eq!(codes.len(), code::ALL.len());
        assert_eq!(meanings.len(), code::ALL.len());
    }

    #[test]
    fn every_problem_of_an_expression_has_a_code_of_its_own() {
        for word in expression::code::ALL {
            assert_ne!(code::of_expression(word), code::EXPRESSION, "{word}");
        }
    }

    #[test]
    fn a_report_points_at_its_source() {
        let report = Report {
            code: code::UNKNOWN_KEY,
            severity: Severity::Error,
            file: "routes/x.toml".into(),
            line: 12,
            column: 3,
            length: 4,
            source_line: "\t nmae = 1".into(),
            message: "no key `nmae` in [route]".into(),
            help: Some("did you mean `name`?".into()),
        };
        let expected = "\
error[CD0102]: no key `nmae` in [route]
  --> routes/x.toml:12:3
   |
12 |   nmae = 1
   |   ^^^^
   = help: did you mean `name`?";
        assert_eq!(report.to_string(), expected);
    }
}
