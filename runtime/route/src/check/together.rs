//! What only shows when all files are seen at once: names and endpoints taken twice, and routes that
//! publish to each other in a circle.

use std::collections::BTreeMap;

use contract::TypeName;

use super::file::CheckedFile;
use crate::report::code;

pub(crate) fn check(files: &[CheckedFile<'_>]) {
    duplicate_names(files);
    duplicate_endpoints(files);
    cycles(files);
}

fn duplicate_names(files: &[CheckedFile<'_>]) {
    let mut first: BTreeMap<&str, &str> = BTreeMap::new();
    for file in files {
        let Some(name) = &file.name else { continue };
        if let Some(other) = first.get(name.value.as_str()) {
            let message = format!("there is a route `{}` already", name.value);
            let help = format!("it is in {other}; rename one");
            file.sheet.error_help(code::DUPLICATE_ROUTE, name.span(), message, help);
        } else {
            first.insert(&name.value, file.sheet.path);
        }
    }
}

fn duplicate_endpoints(files: &[CheckedFile<'_>]) {
    let mut first: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    for file in files {
        let Some((method, path)) = &file.endpoint else { continue };
        let endpoint = (method.as_str(), path.value.as_str());
        if let Some(other) = first.get(&endpoint) {
            let message = format!("another route listens at {method} {} already", path.value);
            let help = format!("it is in {other}; change a path");
            file.sheet.error_help(code::DUPLICATE_ENDPOINT, path.span(), message, help);
        } else {
            first.insert(endpoint, file.sheet.path);
        }
    }
}

/// Follows topics from each route; one that leads back to where it began is reported once, at the
/// publication that closes the circle.
fn cycles(files: &[CheckedFile<'_>]) {
    let mut subscribers: BTreeMap<&TypeName, Vec<usize>> = BTreeMap::new();
    for (at, file) in files.iter().enumerate() {
        if let Some(topic) = &file.subscribes {
            subscribers.entry(topic).or_default().push(at);
        }
    }
    let mut state = vec![State::New; files.len()];
    for start in 0..files.len() {
        visit(files, &subscribers, start, &mut state, &mut Vec::new());
    }
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    New,
    OnPath,
    Seen,
}

/// Depth is bounded by the number of routes that subscribe.
fn visit(
    files: &[CheckedFile<'_>],
    subscribers: &BTreeMap<&TypeName, Vec<usize>>,
    at: usize,
    state: &mut [State],
    path: &mut Vec<usize>,
) {
    if state[at] != State::New {
        return;
    }
    state[at] = State::OnPath;
    path.push(at);
    for (topic, text) in &files[at].publishes {
        for next in subscribers.get(topic).into_iter().flatten() {
            if state[*next] == State::OnPath {
                let from = path.iter().position(|step| step == next).unwrap_or(0);
                let name = |at: &usize| files[*at].name.as_ref().map_or("?", |name| &name.value);
                let mut circle: Vec<&str> = path[from..].iter().map(name).collect();
                circle.push(name(next));
                let message = format!("routes publish in a circle: {}", circle.join(" -> "));
                let help = "publish another topic here, or end the circle with a `call`";
                files[at].sheet.error_help(code::CYCLE, text.span(), message, help);
            } else {
                visit(files, subscribers, *next, state, path);
            }
        }
    }
    path.pop();
    state[at] = State::Seen;
}
