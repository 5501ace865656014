//! WIT text to `wit_parser::Resolve`: files are grouped into packages by their declaration, packages
//! are put in order, and whatever is wrong is told with file, line and column. One problem for each
//! package at most (the parser stops at its first), and none that only follows from another.

use std::collections::{BTreeMap, BTreeSet};

use wit_parser::{PackageName, Resolve, ResolveErrorKind, SourceMap, Span, UnresolvedPackageGroup};

use crate::convert::DEPTH_MAX;

/// One `.wit` file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub path: String,
    pub text: String,
}

/// Something wrong in a WIT file; line and column count from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub path: String,
    pub line: u32,
    pub column: u32,
    pub message: String,
    pub help: Option<String>,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}: {}", self.path, self.line, self.column, self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

pub(crate) fn resolve(sources: &[Source]) -> Result<Resolve, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut groups: BTreeMap<PackageName, UnresolvedPackageGroup> = BTreeMap::new();
    for files in packages(sources, &mut problems) {
        let deep = files.iter().find_map(|file| Some((*file, too_deep(&file.text)?)));
        if let Some((file, offset)) = deep {
            let (line, column) = line_column(&file.text, offset);
            let path = file.path.clone();
            let message = format!("types are nested at most {DEPTH_MAX} deep");
            problems.push(Problem { path, line, column, message, help: None });
            continue;
        }
        let mut map = SourceMap::new();
        for file in &files {
            map.push_str(&file.path, file.text.as_str());
        }
        match map.parse() {
            Ok(group) => match &group.main.name.version {
                Some(_) => {
                    groups.insert(group.main.name.clone(), group);
                }
                None => problems.push(without_version(&files, &group.main.name)),
            },
            Err((map, error)) => {
                let span = error.kind().span();
                problems.push(problem_at(sources, &map, span, error.to_string()));
            }
        }
    }
    let resolve = in_order(sources, groups, &mut problems);
    if problems.is_empty() { Ok(resolve) } else { Err(problems) }
}

/// Places a span of the parser; its first line is the message, the rest the help.
pub(crate) fn problem_at(
    sources: &[Source],
    map: &SourceMap,
    span: Span,
    message: String,
) -> Problem {
    let (message, help) = match message.split_once('\n') {
        Some((first, rest)) => (first.to_owned(), Some(rest.trim().to_owned())),
        None => (message, None),
    };
    let keyword = message.split_once("found keyword `").map(|(_, rest)| rest.trim_end_matches('`'));
    let help = help.or_else(|| Some(format!("as a name it is written `%{}`", keyword?)));
    let place = map.resolve_span(span);
    let path = match &place {
        Some(place) => place.path.to_owned(),
        None => map.source_names().next().unwrap_or_default().to_owned(),
    };
    let text = sources.iter().find(|source| source.path == path).map(|source| &source.text);
    let offset = place.map_or(0, |place| place.range.start);
    let (line, column) = text.map_or((1, 1), |text| line_column(text, offset));
    Problem { path, line, column, message, help }
}

/// Pushes what depends on nothing first; what depends on a broken package is left out silently.
fn in_order(
    sources: &[Source],
    mut groups: BTreeMap<PackageName, UnresolvedPackageGroup>,
    problems: &mut Vec<Problem>,
) -> Resolve {
    let known: BTreeSet<PackageName> =
        groups.values().flat_map(|group| group_names(group).cloned().collect::<Vec<_>>()).collect();
    let mut resolve = Resolve::new();
    let mut done: Vec<UnresolvedPackageGroup> = Vec::new();
    let mut names_done: BTreeSet<PackageName> = BTreeSet::new();
    let mut any_failed = !problems.is_empty();
    loop {
        let next = groups.iter().find(|(_, group)| {
            needs(group).all(|name| names_done.contains(name) || !known.contains(name))
        });
        let Some(name) = next.map(|(name, _)| name.clone()) else { break };
        let Some(group) = groups.remove(&name) else { break };
        let kept = group.clone();
        match resolve.push_group(group) {
            Ok(_) => {
                names_done.extend(group_names(&kept).cloned());
                done.push(kept);
            }
            Err(error) => {
                // A name that belongs to a file that did not parse is already reported.
                let follows =
                    any_failed && matches!(error.kind(), ResolveErrorKind::PackageNotFound { .. });
                if !follows {
                    let map = &resolve.source_map;
                    let message = match error.kind() {
                        ResolveErrorKind::PackageNotFound { requested, .. } => {
                            not_found(requested, &known)
                        }
                        other => other.to_string(),
                    };
                    problems.push(problem_at(sources, map, error.kind().span(), message));
                }
                any_failed = true;
                // A failed push leaves the set half changed: build it again.
                resolve = Resolve::new();
                for good in &done {
                    let _ = resolve.push_group(good.clone());
                }
            }
        }
    }
    if !groups.is_empty() && !any_failed {
        let names: Vec<String> = groups.keys().map(ToString::to_string).collect();
        let group = groups.values().next();
        let path = group.and_then(|group| group.source_map.source_names().next());
        problems.push(Problem {
            path: path.unwrap_or_default().to_owned(),
            line: 1,
            column: 1,
            message: format!("packages depend on each other in a circle: {}", names.join(", ")),
            help: Some("move what they share into a package of its own".into()),
        });
    }
    resolve
}

fn not_found(requested: &PackageName, known: &BTreeSet<PackageName>) -> String {
    let mut near: Vec<String> = known
        .iter()
        .filter(|known| known.namespace == requested.namespace && known.name == requested.name)
        .map(ToString::to_string)
        .collect();
    if near.is_empty() {
        near = known.iter().map(ToString::to_string).collect();
    }
    format!("package `{requested}` is not there\nthere is {}", near.join(", "))
}

fn group_names(group: &UnresolvedPackageGroup) -> impl Iterator<Item = &PackageName> {
    group.nested.iter().chain([&group.main]).map(|package| &package.name)
}

fn needs(group: &UnresolvedPackageGroup) -> impl Iterator<Item = &PackageName> {
    let own: BTreeSet<&PackageName> = group_names(group).collect();
    let all = group.nested.iter().chain([&group.main]);
    all.flat_map(|package| package.foreign_deps.keys()).filter(move |name| !own.contains(name))
}

/// Files of one package together: those that declare the same one, and files without a declaration
/// with those of their folder.
fn packages<'a>(sources: &'a [Source], problems: &mut Vec<Problem>) -> Vec<Vec<&'a Source>> {
    let mut declared: BTreeMap<String, Vec<&Source>> = BTreeMap::new();
    let mut of_folder: BTreeMap<&str, String> = BTreeMap::new();
    let mut undeclared = Vec::new();
    for source in sources {
        match declaration(&source.text) {
            Some((_, name)) => {
                of_folder.insert(folder(&source.path), name.clone());
                declared.entry(name).or_default().push(source);
            }
            None => undeclared.push(source),
        }
    }
    for source in undeclared {
        match of_folder.get(folder(&source.path)) {
            Some(name) => declared.entry(name.clone()).or_default().push(source),
            None => problems.push(Problem {
                path: source.path.clone(),
                line: 1,
                column: 1,
                message: "neither this file nor one beside it declares its package".into(),
                help: Some("begin it with `package namespace:name@1.0.0;`".into()),
            }),
        }
    }
    declared.into_values().collect()
}

/// Where angle brackets are nested too deep: the parser recurses for each.
fn too_deep(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    text.bytes().position(|byte| {
        match byte {
            b'<' => depth += 1,
            b'>' => depth = depth.saturating_sub(1),
            b';' | b'{' | b'}' => depth = 0,
            _ => {}
        }
        depth > DEPTH_MAX
    })
}

fn folder(path: &str) -> &str {
    path.rsplit_once(['/', '\\']).map_or("", |(folder, _)| folder)
}

fn without_version(files: &[&Source], name: &PackageName) -> Problem {
    let at = files.iter().find_map(|file| Some((*file, declaration(&file.text)?.0)));
    let (path, (line, column)) = match at {
        Some((file, offset)) => (file.path.clone(), line_column(&file.text, offset)),
        None => (String::new(), (1, 1)),
    };
    Problem {
        path,
        line,
        column,
        message: format!("package `{name}` has no version"),
        help: Some(format!("write `package {name}@1.0.0;`")),
    }
}

/// The `package a:b@1.0.0;` at the top of a file: where it begins, and the name without blanks.
fn declaration(text: &str) -> Option<(usize, String)> {
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        if let Some(comment) = rest.strip_prefix("//") {
            rest = comment.split_once('\n')?.1;
        } else if rest.starts_with("/*") {
            rest = after_block_comment(rest)?;
        } else {
            break;
        }
    }
    let offset = text.len() - rest.len();
    let after = rest.strip_prefix("package")?;
    if !after.starts_with(char::is_whitespace) {
        return None;
    }
    let (name, _) = after.split_once(';')?;
    // `package a:b { .. }` nests a package; it is not the file's own.
    if name.contains('{') {
        return None;
    }
    Some((offset, name.split_whitespace().collect()))
}

/// Block comments nest.
fn after_block_comment(text: &str) -> Option<&str> {
    let mut depth = 0usize;
    let mut rest = text;
    loop {
        let at = rest.find(['/', '*'])?;
        rest = &rest[at..];
        if let Some(inner) = rest.strip_prefix("/*") {
            depth += 1;
            rest = inner;
        } else if let Some(outer) = rest.strip_prefix("*/") {
            depth -= 1;
            rest = outer;
            if depth == 0 {
                return Some(rest);
            }
        } else {
            rest = &rest[1..];
        }
    }
}

fn line_column(text: &str, offset: usize) -> (u32, u32) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line as u32, column as u32)
}
