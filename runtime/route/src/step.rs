//! What a route does with a message, one kind of step a file: what is written, checked and planned.
//! A new kind is one file here, one case of [`Kind`], and its arms in the machine.

pub mod call;
pub mod end;
pub mod fail;
pub mod fault;
pub mod find;
pub mod park;
pub mod publish;
pub(crate) mod retrying;
pub mod set;
pub mod undo;
pub mod until;

pub use call::Call;
pub use end::EndStep;
pub use fail::Fail;
pub use fault::OnFault;
pub use find::Find;
pub use park::Park;
pub use publish::Publish;
pub use set::Set;
pub use undo::{Pivot, Undo};
pub use until::Until;

use contract::TypeName;
use expression::Program;

use crate::check::Checker;
use crate::report::code;
use crate::scope;
use crate::written::{Leaf, Table, Text, nearest};

#[derive(Debug)]
pub struct Step {
    pub name: String,
    /// In the file, from 1.
    pub line: u32,
    /// The step runs if this is true.
    pub when: Option<Program>,
    pub each: Option<Each>,
    /// The answer that a call waits for.
    pub until: Option<Until>,
    pub kind: Kind,
    /// Where later expressions find its result; `end`, `fail` and `publish` have none.
    pub(crate) slot: Option<usize>,
}

/// Runs the step once for each element.
#[derive(Debug)]
pub struct Each {
    pub list: Program,
    /// Where `each` stands while the step runs. The slot of the step's own result, which is not in
    /// use before the step is done.
    pub(crate) slot: usize,
}

#[derive(Debug)]
pub enum Kind {
    Call(Call),
    Publish(Publish),
    Set(Set),
    Park(Park),
    End(EndStep),
    Fail(Fail),
    Find(Find),
}

pub(crate) const KINDS: [&str; 7] = ["call", "publish", "set", "park", "end", "fail", "find"];

impl Step {
    pub fn kind(&self) -> &'static str {
        match &self.kind {
            Kind::Call(_) => "call",
            Kind::Publish(_) => "publish",
            Kind::Set(_) => "set",
            Kind::Park(_) => "park",
            Kind::End(_) => "end",
            Kind::Fail(_) => "fail",
            Kind::Find(_) => "find",
        }
    }

    /// The alias that a call goes to.
    pub fn connector(&self) -> Option<&str> {
        match &self.kind {
            Kind::Call(call) => Some(&call.connector),
            _ => None,
        }
    }

    /// The topic that it publishes.
    pub fn topic(&self) -> Option<&TypeName> {
        match &self.kind {
            Kind::Publish(publish) => Some(&publish.topic),
            _ => None,
        }
    }

    /// Whether it takes effect outside this exchange.
    pub fn has_effect(&self) -> bool {
        match &self.kind {
            Kind::Call(call) => call.operation.effect == crate::Effect::Mutation,
            Kind::Publish(_) => true,
            _ => false,
        }
    }
}

pub(crate) struct Written {
    pub name: Text,
    pub when: Option<Leaf>,
    pub each: Option<Leaf>,
    pub until: Option<until::Written>,
    /// None where a report says why.
    pub kind: Option<WrittenKind>,
}

pub(crate) enum WrittenKind {
    Call(call::Written),
    Publish(publish::Written),
    Set(set::Written),
    Park(park::Written),
    End(end::Written),
    Fail(fail::Written),
    Find(find::Written),
}

impl Written {
    pub fn pivot(&self) -> Option<&undo::WrittenPivot> {
        match &self.kind {
            Some(WrittenKind::Call(call)) => call.own.pivot.as_ref(),
            _ => None,
        }
    }

    /// Its result is optional although it has no `when`.
    pub fn skips(&self) -> bool {
        matches!(&self.kind, Some(WrittenKind::Call(call)) if call.skips())
    }
}

impl WrittenKind {
    pub fn has_result(&self) -> bool {
        match self {
            WrittenKind::Call(_) | WrittenKind::Set(_) => true,
            WrittenKind::Park(_) | WrittenKind::Find(_) => true,
            WrittenKind::Publish(_) | WrittenKind::End(_) | WrittenKind::Fail(_) => false,
        }
    }
}

/// One `[[step]]`. None if it has no name to be known by.
pub(crate) fn read(table: Table<'_>) -> Option<Written> {
    let kinds: Vec<&'static str> = KINDS.into_iter().filter(|kind| table.has(kind)).collect();
    let name = table.required_text("name", "\"credit\"");
    if let Some(name) = &name {
        check_name(&table, name);
    }
    let when = table.leaf("when");
    let each = if table.has("each") { table.leaf("each") } else { None };
    let until = until::read(&table);
    if until.is_some()
        && each.is_some()
        && let Some(span) = table.key_span("until")
    {
        let help = "await one answer, and repeat in another step";
        table.sheet.error_help(code::STEP_KIND, span, "`until` does not go with `each`", help);
    }
    if let [kind] = kinds.as_slice()
        && !matches!(*kind, "call" | "publish")
        && let Some(span) = table.key_span("each")
    {
        let message = format!("`each` does not go with `{kind}`");
        table.sheet.error_help(code::STEP_KIND, span, message, "it repeats a call or a publish");
    }
    let kind = match kinds.as_slice() {
        [kind] => match *kind {
            "call" => call::read(&table).map(WrittenKind::Call),
            "publish" => publish::read(&table).map(WrittenKind::Publish),
            "set" => set::read(&table).map(WrittenKind::Set),
            "park" => park::read(&table).map(WrittenKind::Park),
            "end" => end::read(&table).map(WrittenKind::End),
            "fail" => fail::read(&table).map(WrittenKind::Fail),
            _ => find::read(&table).map(WrittenKind::Find),
        },
        [] => {
            let message = format!("{} does nothing", table.what);
            let help = format!("give it one of {}", KINDS.join(", "));
            table.sheet.error_help(code::STEP_KIND, table.span.clone(), message, help);
            None
        }
        [first, second, ..] => {
            let message = format!("{} is both `{first}` and `{second}`", table.what);
            let span = table.key_span(second).unwrap_or(table.span.clone());
            table.sheet.error_help(code::STEP_KIND, span, message, "write two steps");
            None
        }
    };
    if kinds.len() == 1 {
        finish(table, kinds[0]);
    }
    Some(Written { name: name?, when, each, until, kind })
}

/// Keys that other kinds take say so; the rest is unknown.
fn finish(table: Table<'_>, kind: &str) {
    let with = ["call", "publish", "set", "find"].as_slice();
    let call = ["call"].as_slice();
    let of_others = [
        ("with", with),
        ("retry", call),
        ("timeout", call),
        ("on_fault", call),
        ("pivot", call),
        ("undo_when", call),
        ("once", call),
        ("within", &["find"]),
    ];
    for (key, takers) in of_others {
        if !takers.contains(&kind)
            && let Some(span) = table.key_span(key)
        {
            let message = format!("`{key}` does not go with `{kind}`");
            let help = match (kind, key) {
                ("park", "within") => {
                    "write it inside: park = { role = ..., within = \"24h\" }".into()
                }
                _ => format!("it belongs to {}", takers.join(", ")),
            };
            table.has(key);
            table.sheet.error_help(code::STEP_KIND, span, message, help);
        }
    }
    table.finish();
}

fn check_name(table: &Table<'_>, name: &Text) {
    let text = name.value.as_str();
    let mut bytes = text.bytes();
    let identifier = bytes.next().is_some_and(|first| first.is_ascii_lowercase())
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    let refuse = |message: String, help: String| {
        table.sheet.error_help(code::BAD_NAME, name.span(), message, help);
    };
    if scope::is_taken(text) {
        refuse(
            format!(
                "a step cannot be called `{text}`: the name means something else in expressions"
            ),
            "call it by what it does".to_owned(),
        );
    } else if !identifier {
        let mut suggested: String = text
            .to_lowercase()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect();
        if !suggested.starts_with(|c: char| c.is_ascii_lowercase()) {
            suggested.insert_str(0, "step_");
        }
        refuse(
            format!("`{text}` cannot be named in an expression"),
            format!("lower-case letters, digits and _: `{suggested}`"),
        );
    }
}

/// A step as checked: what it does, and the type of its result for those that have one.
pub(crate) struct Checked {
    pub kind: Kind,
    pub result: Option<expression::Type>,
}

pub(crate) fn check(
    written: &WrittenKind,
    repeats: bool,
    checker: &Checker<'_>,
) -> Option<Checked> {
    match written {
        WrittenKind::Call(written) => call::check(written, repeats, checker),
        WrittenKind::Publish(written) => publish::check(written, checker),
        WrittenKind::Set(written) => set::check(written, checker),
        WrittenKind::Park(written) => park::check(written, checker),
        WrittenKind::End(written) => end::check(written, checker),
        WrittenKind::Fail(written) => fail::check(written, checker),
        WrittenKind::Find(written) => find::check(written, checker),
    }
}

/// The type of the result where the step itself is wrong, so that what follows can be checked.
pub(crate) fn assumed_result(written: &WrittenKind) -> Option<expression::Type> {
    match written {
        WrittenKind::Park(_) => Some(park::result()),
        WrittenKind::Find(_) => Some(find::result()),
        written => written.has_result().then_some(expression::Type::Dyn),
    }
}

/// Lower-case words joined by `-`: codes of ends and failures.
pub(crate) fn check_code(checker: &Checker<'_>, text: &Text) {
    let value = text.value.as_str();
    let fits = value.starts_with(|c: char| c.is_ascii_lowercase())
        && value.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if !fits {
        checker.sheet.error_help(
            code::BAD_VALUE,
            text.span(),
            format!("`{value}` is not a code"),
            "lower-case letters, digits and -: \"no-lines\"",
        );
    }
}

pub(crate) fn suggestion<'c>(
    name: &str,
    candidates: impl IntoIterator<Item = &'c str>,
    otherwise: &str,
) -> String {
    match nearest(name, candidates) {
        Some(known) => format!("did you mean `{known}`?"),
        None => otherwise.to_owned(),
    }
}
