//! One file: its text, its lines, and the reports found in it so far.

use std::cell::RefCell;
use std::ops::Range;

use crate::report::{Report, Severity};

/// Reports for one file; after that many the rest is noise.
pub(crate) const REPORTS_MAX: usize = 100;

pub(crate) struct Sheet<'a> {
    pub path: &'a str,
    pub text: &'a str,
    /// Byte offset of each line.
    lines: Vec<usize>,
    reports: RefCell<Vec<Report>>,
}

/// Where something stands. `content` is where the text inside the quotes begins, if each byte of the
/// string is one byte of the file (no escapes).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub span: Range<usize>,
    pub content: Option<usize>,
}

impl<'a> Sheet<'a> {
    pub fn new(path: &'a str, text: &'a str) -> Sheet<'a> {
        let lines = std::iter::once(0)
            .chain(
                text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1),
            )
            .collect();
        Sheet { path, text, lines, reports: RefCell::default() }
    }

    pub fn error(&self, code: &'static str, span: Range<usize>, message: impl Into<String>) {
        self.push(code, Severity::Error, span, message.into(), None);
    }

    pub fn error_help(
        &self,
        code: &'static str,
        span: Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(code, Severity::Error, span, message.into(), Some(help.into()));
    }

    pub fn push(
        &self,
        code: &'static str,
        severity: Severity,
        span: Range<usize>,
        message: String,
        help: Option<String>,
    ) {
        let report = self.make(code, severity, span, message, help);
        let mut reports = self.reports.borrow_mut();
        if reports.len() < REPORTS_MAX && !reports.contains(&report) {
            reports.push(report);
        }
    }

    fn make(
        &self,
        code: &'static str,
        severity: Severity,
        span: Range<usize>,
        message: String,
        help: Option<String>,
    ) -> Report {
        let start = self.boundary(span.start);
        let number = self.lines.partition_point(|line| *line <= start).max(1);
        let line_start = self.lines[number - 1];
        let line = self.text[line_start..].lines().next().unwrap_or("");
        let column = self.text[line_start..start].chars().count();
        let end = self.boundary(span.end).clamp(start, (line_start + line.len()).max(start));
        let length = self.text[start..end].chars().count().max(1);
        Report {
            code,
            severity,
            file: self.path.to_owned(),
            line: number as u32,
            column: column as u32 + 1,
            length: length as u32,
            source_line: line.to_owned(),
            message,
            help,
        }
    }

    /// The nearest character boundary at or before; no offset is past the end.
    fn boundary(&self, at: usize) -> usize {
        let mut at = at.min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }

    pub fn line_of(&self, at: usize) -> usize {
        self.lines.partition_point(|line| *line <= at).max(1)
    }

    pub fn has_errors(&self) -> bool {
        self.reports.borrow().iter().any(Report::is_error)
    }

    pub fn count(&self) -> usize {
        self.reports.borrow().len()
    }

    /// Drops reports after the first `from` that `keep` does not want.
    pub fn retain_from(&self, from: usize, keep: impl Fn(&Report) -> bool) {
        let mut reports = self.reports.borrow_mut();
        let later = reports.split_off(from);
        reports.extend(later.into_iter().filter(keep));
    }

    pub fn into_reports(self) -> Vec<Report> {
        let mut reports = self.reports.into_inner();
        reports.sort_by_key(|report| (report.line, report.column));
        reports
    }
}

impl Place {
    /// A part of the string's content as a part of the file; the whole string where escapes make
    /// the two differ.
    pub fn within(&self, range: Range<usize>) -> Range<usize> {
        match self.content {
            Some(content) => content + range.start..content + range.end,
            None => self.span.clone(),
        }
    }
}

/// The candidate that was probably meant.
pub(crate) fn nearest<'c>(
    name: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    expression::nearest(name, candidates)
}
