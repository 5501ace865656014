//! From files to plans: every problem of every file is reported, and the files without one become
//! plans.

mod checker;
mod file;
mod together;

use std::collections::BTreeMap;
use std::sync::Arc;

use contract::Contracts;

pub(crate) use checker::Checker;

use crate::{ConnectorTypes, Plan, Policy, Report};

/// A route file as it was found.
#[derive(Clone, Debug)]
pub struct File {
    /// As reports show it.
    pub path: String,
    pub text: String,
}

/// What routes are checked against.
pub struct Environment<'a> {
    pub contracts: &'a Contracts,
    /// By alias.
    pub connectors: &'a BTreeMap<String, ConnectorTypes>,
    /// The names of all limits; none where the configuration is not at hand.
    pub limits: Option<&'a [String]>,
    /// Retry policies of the configuration by name, beside those built in.
    pub policies: &'a BTreeMap<String, Policy>,
}

#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// Of the files without an error, in their order.
    pub plans: Vec<Arc<Plan>>,
    /// By file in their order, then by place.
    pub reports: Vec<Report>,
}

impl Checked {
    pub fn has_errors(&self) -> bool {
        self.reports.iter().any(Report::is_error)
    }
}

pub fn check(files: &[File], environment: &Environment<'_>) -> Checked {
    let mut checked_files: Vec<_> =
        files.iter().map(|file| file::check(file, environment)).collect();
    together::check(&checked_files);
    let mut checked = Checked::default();
    for file in &mut checked_files {
        if !file.sheet.has_errors() {
            checked.plans.extend(file.plan.take().map(Arc::new));
        }
    }
    checked.reports =
        checked_files.into_iter().flat_map(|file| file.sheet.into_reports()).collect();
    checked
}
