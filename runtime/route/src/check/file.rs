//! One file: parsed with recovery, read as written, checked step by step in the order a message
//! meets them.

use std::sync::Arc;

use contract::TypeName;
use expression::{Scope, Type};
use toml::de::DeTable;

use super::checker::{Checker, Head};
use super::{Environment, File};
use crate::plan::{Escalation, MessageType, Plan};
use crate::report::{Severity, code};
use crate::source::{self, Source};
use crate::step::{self, Each, Kind, Step, WrittenKind};
use crate::written::{Leaf, Sheet, Table, Text};
use crate::{Priority, machine, order, scope};

/// Steps of one route.
pub(crate) const STEPS_MAX: usize = 200;
/// Business keys of one route.
pub(crate) const KEYS_MAX: usize = 20;

/// A file with what other files may clash with, even if it is wrong elsewhere.
pub(crate) struct CheckedFile<'a> {
    pub sheet: Sheet<'a>,
    pub name: Option<Text>,
    /// Method and path that it listens at.
    pub endpoint: Option<(String, Text)>,
    pub subscribes: Option<TypeName>,
    pub publishes: Vec<(TypeName, Text)>,
    pub plan: Option<Plan>,
}

struct WrittenRoute {
    name: Option<Text>,
    owner: Option<Text>,
    /// As written, and what could be read of it.
    escalate: Option<Option<Escalation>>,
    summary: Option<Text>,
    order: order::Written,
    saga: bool,
    priority: Priority,
    source: Option<source::Written>,
    keys: Vec<(Text, Leaf)>,
    steps: Vec<(usize, step::Written)>,
    /// Steps that could not be read at all.
    lost: usize,
}

pub(crate) fn check<'a>(file: &'a File, environment: &Environment<'_>) -> CheckedFile<'a> {
    let sheet = Sheet::new(&file.path, &file.text);
    let (document, errors) = DeTable::parse_recoverable(&file.text);
    for error in &errors {
        let span = error.span().unwrap_or(0..0);
        sheet.push(code::SYNTAX, Severity::Error, span, error.message().to_owned(), None);
    }
    let broken = sheet.count();
    let lines: Vec<usize> = errors
        .iter()
        .filter_map(|error| error.span())
        .map(|span| sheet.line_of(span.start))
        .collect();
    let root = Table::new(&sheet, "the file", 0..first_line(&file.text), document.get_ref());
    let written = read(root);
    let name = written.name.clone();
    let endpoint = endpoint(&written);
    let publishes = published(&written);
    let (subscribes, plan) = plan(&sheet, environment, file, written);
    if broken > 0 {
        // What the parser lost is not missing, and a broken line says nothing true.
        sheet.retain_from(broken, |report| {
            report.code != code::MISSING_KEY
                && report.code != code::SOURCE_KIND
                && report.code != code::STEP_KIND
                && !lines.contains(&(report.line as usize))
        });
    }
    CheckedFile { sheet, name, endpoint, subscribes, publishes, plan }
}

fn first_line(text: &str) -> usize {
    text.lines().next().map_or(0, str::len)
}

fn read(root: Table<'_>) -> WrittenRoute {
    let mut written = WrittenRoute {
        name: None,
        owner: None,
        escalate: None,
        summary: None,
        order: order::Written::default(),
        saga: false,
        priority: Priority::Normal,
        source: None,
        keys: Vec::new(),
        steps: Vec::new(),
        lost: 0,
    };
    if !root.has("route") {
        root.missing("[route]", "name and owner below it");
    } else if let Some(route) = root.table("route", "[route]") {
        written.name = route.required_text("name", "\"order-intake\"");
        written.owner = route.required_text("owner", "\"order-desk\"");
        written.escalate = route.has("escalate").then(|| escalation(&route));
        written.summary = route.text("summary");
        written.order = order::read(&route);
        written.saga = route.boolean("saga").is_some_and(|saga| saga.value);
        written.priority = Priority::read(&route);
        if let Some(name) = &written.name {
            check_route_name(&route, name);
        }
        if let Some(owner) = written.owner.as_ref().filter(|owner| owner.value.trim().is_empty()) {
            let message = "`owner` is empty: nobody would get the exceptions";
            route.sheet.error(code::BAD_VALUE, owner.span(), message);
        }
        route.finish();
    }
    if !root.has("from") {
        let message = "the route has no source";
        let kinds = source::KINDS.map(|kind| format!("[from.{kind}]")).join(", ");
        let help = format!("write one of {kinds}");
        root.sheet.error_help(code::SOURCE_KIND, root.span.clone(), message, help);
    } else {
        written.source = root.table("from", "[from]").and_then(source::read);
    }
    if let Some(keys) = root.table("keys", "[keys]") {
        written.keys = keys.leaves();
        if written.keys.len() > KEYS_MAX {
            let message = format!("more than {KEYS_MAX} keys");
            root.sheet.error(code::TOO_LARGE, keys.span.clone(), message);
        }
    }
    let tables = root.tables("step");
    if tables.len() > STEPS_MAX {
        let span = tables[STEPS_MAX].0.clone();
        let message = format!("more than {STEPS_MAX} steps");
        let help = "let one route publish what another goes on with";
        root.sheet.error_help(code::TOO_LARGE, span, message, help);
    }
    for (at, (span, table)) in tables.into_iter().enumerate().take(STEPS_MAX) {
        let what = match table.get("name").and_then(|name| name.get_ref().as_str()) {
            Some(name) => format!("step `{name}`"),
            None => format!("step {}", at + 1),
        };
        let line = root.sheet.line_of(span.start);
        match step::read(Table::new(root.sheet, what, span, table)) {
            Some(step) => written.steps.push((line, step)),
            None => written.lost += 1,
        }
    }
    root.finish();
    written
}

fn escalation(route: &Table<'_>) -> Option<Escalation> {
    let table = route.table("escalate", "`escalate`")?;
    let after = table.duration("after");
    if !table.has("after") {
        table.missing("after", "\"4h\"");
    }
    let to = table.required_text("to", "\"operations\"");
    table.finish();
    Some(Escalation { after_ms: after?.value, to: to?.value })
}

fn check_route_name(route: &Table<'_>, name: &Text) {
    let text = name.value.as_str();
    if !order::is_name(text) {
        let message = format!("`{text}` cannot be the name of a route");
        let help = "lower-case letters, digits and -: \"order-intake\"";
        route.sheet.error_help(code::BAD_NAME, name.span(), message, help);
    }
}

fn endpoint(written: &WrittenRoute) -> Option<(String, Text)> {
    match written.source.as_ref()? {
        source::Written::Http(http) => Some((http.method(), http.path.clone()?)),
        source::Written::Webhook(webhook) => Some(("POST".to_owned(), webhook.path.clone()?)),
        _ => None,
    }
}

fn published(written: &WrittenRoute) -> Vec<(TypeName, Text)> {
    let topic = |step: &step::Written| match step.kind.as_ref()? {
        WrittenKind::Publish(publish) => {
            Some((publish.topic.value.parse().ok()?, publish.topic.clone()))
        }
        _ => None,
    };
    written.steps.iter().filter_map(|(_, step)| topic(step)).collect()
}

fn plan(
    sheet: &Sheet<'_>,
    environment: &Environment<'_>,
    file: &File,
    written: WrittenRoute,
) -> (Option<TypeName>, Option<Plan>) {
    let mut checker = Checker {
        sheet,
        environment,
        message: MessageType::Any,
        scope: Scope::new(),
        saga: written.saga,
        pivot: written.steps.iter().position(|(_, step)| step.pivot().is_some()),
        heads: heads(&written),
        steps: Vec::new(),
    };
    let message = written.source.as_ref().and_then(|source| source::message(source, &checker));
    // An unknown message is taken for any, so that the steps are checked as far as they can be.
    checker.message = message.clone().unwrap_or(MessageType::Any);
    declare_first(&mut checker);
    let order = written.order.check(&checker);
    let mut slots = checker.scope.len();
    for (line, step) in &written.steps {
        let checked = check_step(&mut checker, *line, step, &mut slots);
        checker.steps.push(checked);
    }
    report_unreachable(sheet, &written);
    let keys: Vec<Option<(String, expression::Program)>> = written
        .keys
        .iter()
        .map(|(name, leaf)| Some((name.value.clone(), checker.key(leaf, false)?)))
        .collect();
    let source = written.source.and_then(|source| source::check(source, &checker));
    let topic = match &source {
        Some(Source::Event(event)) => Some(event.topic.clone()),
        _ => None,
    };
    let build = || {
        let (ordered_by, concurrency) = order?;
        Some(Plan {
            name: written.name?.value,
            owner: written.owner?.value,
            escalate: match written.escalate {
                None => None,
                Some(escalate) => Some(escalate?),
            },
            summary: written.summary.map(|summary| summary.value),
            saga: written.saga,
            priority: written.priority,
            file: file.path.clone(),
            text: Arc::from(file.text.as_str()),
            source: source?,
            message: message?,
            ordered_by,
            concurrency,
            keys: keys.into_iter().collect::<Option<_>>()?,
            standard: checker.standard_policy(),
            steps: checker.steps.into_iter().collect::<Option<_>>()?,
            slots,
        })
    };
    let plan = if written.lost == 0 { build() } else { None };
    (topic, plan)
}

fn heads(written: &WrittenRoute) -> Vec<Head> {
    let head = |(line, step): &(usize, step::Written)| Head {
        name: step.name.value.clone(),
        line: *line,
        has_result: step.kind.as_ref().is_none_or(WrittenKind::has_result),
        may_not_run: step.when.is_some() || step.skips(),
        pivot_always: matches!(step.pivot(), Some(step::undo::WrittenPivot::Always(_))),
    };
    written.steps.iter().map(head).collect()
}

fn declare_first(checker: &mut Checker<'_>) {
    let message = match &checker.message {
        MessageType::Typed(ty) => Type::of(ty),
        MessageType::Any => Type::Dyn,
    };
    let types =
        [message, Type::map(Type::String, Type::String), Type::Record(scope::meta_record())];
    for (name, ty) in scope::NAMES.into_iter().zip(types) {
        checker.scope.declare(name, ty);
    }
}

fn check_step(
    checker: &mut Checker<'_>,
    line: usize,
    written: &step::Written,
    slots: &mut usize,
) -> Option<Step> {
    let name = &written.name;
    let outside = checker.scope.clone();
    let duplicate = outside.slot(&name.value).is_some()
        || checker.heads[..checker.steps.len()].iter().any(|head| head.name == name.value);
    if duplicate {
        let message = format!("there is a step `{}` before", name.value);
        let help = "each step has a name of its own";
        checker.sheet.error_help(code::DUPLICATE_STEP, name.span(), message, help);
    }

    // What `when` proved holds for the rest of this step, and for nothing after it.
    let when = written.when.as_ref().map(|leaf| {
        let program = checker.program_to(leaf, &contract::Type::Bool)?;
        checker.scope.assume(program.when_true());
        Some(program)
    });
    let each = written.each.as_ref().map(|leaf| check_each(checker, leaf));
    let checked = written.kind.as_ref().and_then(|kind| {
        let before = checker.sheet.count();
        let checked = step::check(kind, written.each.is_some(), checker);
        debug_assert!(
            checked.is_some() || checker.sheet.count() > before || checker.sheet.has_errors()
        );
        checked
    });
    let until = written.until.as_ref().map(|until| {
        let checked = checked.as_ref()?;
        checker.scope.declare(&name.value, step::until::scope_type(checked.result.as_ref()));
        step::until::check(until, &checked.kind, checker)
    });
    checker.scope = outside;
    let checked = checked.and_then(|mut checked| {
        if let (WrittenKind::Call(call), Kind::Call(plan)) =
            (written.kind.as_ref()?, &mut checked.kind)
            && !duplicate
            && !step::undo::check_own(&call.own, &name.value, checker, plan)
        {
            return None;
        }
        Some(checked)
    });
    let ends = matches!(written.kind, Some(WrittenKind::End(_) | WrittenKind::Fail(_)));
    if ends && let Some(Some(when)) = &when {
        // Whoever comes further was not stopped here.
        checker.scope.assume(when.when_false());
    }
    *slots = (*slots).max(checker.scope.len() + 1);

    let result = match (&checked, &written.kind) {
        (Some(checked), _) => checked.result.clone(),
        (None, Some(kind)) => step::assumed_result(kind),
        (None, None) => Some(Type::Dyn),
    };
    let slot = result.filter(|_| !duplicate).map(|result| {
        let result = if written.each.is_some() { Type::list(result) } else { result };
        let result = if written.when.is_some() { Type::optional(result) } else { result };
        checker.scope.declare(&name.value, result)
    });
    Some(Step {
        name: name.value.clone(),
        line: line as u32,
        when: optional(when)?,
        each: match each {
            None => None,
            Some(each) => Some(each?),
        },
        until: optional(until)?,
        kind: checked?.kind,
        slot,
    })
}

/// The element is in scope while the step runs, in the slot that its result will have.
fn check_each(checker: &mut Checker<'_>, leaf: &Leaf) -> Option<Each> {
    let list = checker.program(leaf);
    let element = match list.as_ref().map(|list| list.ty()) {
        Some(Type::List(element)) => (**element).clone(),
        Some(Type::Dyn) | None => Type::Dyn,
        Some(other) => {
            let message = format!("`each` goes through a list, and this is {other}");
            let help = "an optional list needs a default: .orValue([])";
            checker.sheet.error_help(code::TYPE, leaf.span(), message, help);
            checker.scope.declare(scope::ELEMENT, Type::Dyn);
            return None;
        }
    };
    let slot = checker.scope.declare(scope::ELEMENT, element);
    Some(Each { list: list?, slot })
}

/// After an `end` or `fail` without `when`, nothing runs.
fn report_unreachable(sheet: &Sheet<'_>, written: &WrittenRoute) {
    let mut steps = written.steps.iter().map(|(_, step)| step);
    let last = steps.by_ref().find(|step| {
        let ends = matches!(step.kind, Some(WrittenKind::End(_) | WrittenKind::Fail(_)));
        ends && step.when.is_none()
    });
    if let (Some(last), Some(step)) = (last, steps.next()) {
        let message = format!("no message reaches step `{}`", step.name.value);
        let help = format!(
            "step `{}` before it always ends the exchange: give that a `when`",
            last.name.value
        );
        sheet.error_help(code::UNREACHABLE, step.name.span(), message, help);
    }
}

// The machine counts steps in 32 bits.
const _: () = assert!(STEPS_MAX < machine::STEP_MAX as usize);

/// What was not written is nothing; what was written and is wrong leaves no step.
fn optional<T>(checked: Option<Option<T>>) -> Option<Option<T>> {
    match checked {
        None => Some(None),
        Some(None) => None,
        Some(Some(checked)) => Some(Some(checked)),
    }
}
