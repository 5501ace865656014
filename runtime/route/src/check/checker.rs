//! What the check of every source and step needs: the file, the contracts and connectors, the scope
//! as far as it has grown, and one way to compile an expression and report what is wrong with it.

use std::ops::Range;

use contract::{Type, TypeName};
use expression::{Problem, Program, Scope};

use super::Environment;
use crate::operation::{ConnectorTypes, OperationInfo, SourceKind};
use crate::plan::MessageType;
use crate::report::code;
use crate::retry::Policy;
use crate::step::{self, Step, suggestion};
use crate::with::With;
use crate::written::{Leaf, Sheet, Text, WrittenTree, nearest};

pub(crate) struct Checker<'a> {
    pub sheet: &'a Sheet<'a>,
    pub environment: &'a Environment<'a>,
    pub message: MessageType,
    pub scope: Scope,
    /// What was done is taken back when the exchange cannot go on.
    pub saga: bool,
    /// The step after which nothing is taken back.
    pub pivot: Option<usize>,
    /// Of all steps, also of those that come later.
    pub heads: Vec<Head>,
    /// Those checked so far; none where a report says why.
    pub steps: Vec<Option<Step>>,
}

/// What others need to know of a step before it is checked.
pub(crate) struct Head {
    pub name: String,
    pub line: usize,
    pub has_result: bool,
    pub may_not_run: bool,
    /// A pivot whatever it is answered.
    pub pivot_always: bool,
}

impl<'a> Checker<'a> {
    pub fn message(&self) -> &MessageType {
        &self.message
    }

    /// A type by the name that stands in the file. `others` are literals that may stand there too.
    pub fn type_named(&self, text: &Text, others: &[&str]) -> Option<(TypeName, Type)> {
        let contracts = self.environment.contracts;
        let refuse = |code, message: String| {
            let names: Vec<String> = contracts.types().map(|(name, _)| name.to_string()).collect();
            let known = names.iter().map(String::as_str).chain(others.iter().copied());
            let help = match nearest_type(&text.value, known) {
                Some(known) => format!("did you mean `{known}`?"),
                None => "see the contracts in wit/".to_owned(),
            };
            self.sheet.error_help(code, text.span(), message, help);
            None
        };
        let name: TypeName = match text.value.parse() {
            Ok(name) => name,
            Err(message) => return refuse(code::UNKNOWN_TYPE, message),
        };
        match contracts.type_named(&name) {
            Some(ty) => Some((name, ty.clone())),
            None => refuse(code::UNKNOWN_TYPE, format!("no contract has the type `{name}`")),
        }
    }

    /// The name of a limit; reported if the configuration has none of that name.
    pub fn limit(&self, text: Text) -> String {
        if let Some(limits) = self.environment.limits
            && !limits.contains(&text.value)
        {
            let message = format!("no limit `{}` in the configuration", text.value);
            let add = format!("add [limits.{}] there", text.value);
            let help = suggestion(&text.value, limits.iter().map(String::as_str), &add);
            self.sheet.error_help(code::UNKNOWN_LIMIT, text.span(), message, help);
        }
        text.value
    }

    /// In a saga, whether a fault of the step that is checked now takes back what came before it.
    pub fn before_pivot(&self) -> bool {
        self.saga && self.pivot.is_none_or(|pivot| self.steps.len() <= pivot)
    }

    /// Whether what came before the step that is checked now stays, in any case.
    pub fn past_pivot(&self) -> bool {
        self.saga
            && self.pivot.is_some_and(|pivot| {
                let head = &self.heads[pivot];
                pivot < self.steps.len() && head.pivot_always && !head.may_not_run
            })
    }

    /// A retry policy by its name; reported if there is none.
    pub fn policy(&self, name: &Text) -> Option<Policy> {
        let configured = self.environment.policies;
        let found = configured.get(&name.value).cloned().or_else(|| Policy::built_in(&name.value));
        if found.is_none() {
            let names = configured.keys().map(String::as_str).chain(Policy::BUILT_IN);
            let otherwise = format!(
                "add [retries.{}] to the configuration, or write {{ attempts = 5, backoff = \"2s\" }}",
                name.value
            );
            let help = suggestion(&name.value, names, &otherwise);
            let message = format!("no retry policy `{}`", name.value);
            self.sheet.error_help(code::UNKNOWN_RETRY, name.span(), message, help);
        }
        found
    }

    /// What holds where a step names none.
    pub fn standard_policy(&self) -> Policy {
        self.environment.policies.get("standard").cloned().unwrap_or_else(Policy::standard)
    }

    pub fn connector(&self, alias: &str) -> Option<&'a ConnectorTypes> {
        self.environment.connectors.get(alias)
    }

    /// The same, reported at `span` if there is none.
    pub fn connector_entry(
        &self,
        alias: &str,
        span: Range<usize>,
    ) -> Option<(&'a str, &'a ConnectorTypes)> {
        let connectors = self.environment.connectors;
        let found = connectors.get_key_value(alias);
        if found.is_none() {
            let known: Vec<&str> = connectors.keys().map(String::as_str).collect();
            let otherwise = match known.as_slice() {
                [] => "the configuration has no connectors; add [connectors.NAME]".to_owned(),
                known => format!("the configuration has {}", known.join(", ")),
            };
            let help = suggestion(alias, known.iter().copied(), &otherwise);
            let message = format!("no connector `{alias}` in the configuration");
            self.sheet.error_help(code::UNKNOWN_CONNECTOR, span, message, help);
        }
        found.map(|(alias, types)| (alias.as_str(), types))
    }

    /// `alias.operation`.
    pub fn operation(&self, text: &Text) -> Option<(&'a str, &'a OperationInfo)> {
        step::call::find(self, text)
    }

    /// The type of the messages that a webhook or poll operation takes in.
    pub fn source_operation(
        &self,
        connector: &Text,
        operation: &Text,
        kind: SourceKind,
    ) -> Option<MessageType> {
        let (alias, types) = self.connector_entry(&connector.value, connector.span())?;
        let sources = || types.operations.iter().filter(|info| info.source_kind() == Some(kind));
        let names: Vec<&str> = sources().map(|info| info.operation.name.as_str()).collect();
        let what = match kind {
            SourceKind::Webhook => "webhook",
            SourceKind::Poll => "poll",
        };
        let known = match names.as_slice() {
            [] => format!("connector `{alias}` has no {what} operation"),
            names => format!("its {what} operations are {}", names.join(", ")),
        };
        let refuse = |code, message: String| {
            let help = suggestion(&operation.value, names.iter().copied(), &known);
            self.sheet.error_help(code, operation.span(), message, help);
            None
        };
        let Some(info) = types.operation(&operation.value) else {
            let message = format!("connector `{alias}` has no operation `{}`", operation.value);
            return refuse(code::UNKNOWN_OPERATION, message);
        };
        if info.source_kind() != Some(kind) {
            let message = format!("`{alias}.{}` is not a {what} operation", operation.value);
            return refuse(code::NOT_A_SOURCE, message);
        }
        match info.item() {
            Some(item) => Some(MessageType::Typed(item.clone())),
            None => {
                let message = format!(
                    "`{alias}.{}` does not answer with `items: list<record {{ id: string, value: T }}>`",
                    operation.value
                );
                refuse(code::NOT_A_SOURCE, message)
            }
        }
    }

    /// An expression that must give a value of this type.
    pub fn program_to(&self, leaf: &Leaf, expected: &Type) -> Option<Program> {
        self.compiled(leaf, expression::compile_to(&leaf.value, &self.scope, expected))
    }

    pub fn program(&self, leaf: &Leaf) -> Option<Program> {
        self.compiled(leaf, expression::compile(&leaf.value, &self.scope))
    }

    /// An expression whose value identifies something. At the source only the message and its
    /// headers are there.
    pub fn key(&self, leaf: &Leaf, at_source: bool) -> Option<Program> {
        let program = if at_source {
            let mut scope = Scope::new();
            for name in ["message", "headers"] {
                if let Some(ty) = self.scope.slot(name).and_then(|slot| self.scope.ty(slot)) {
                    scope.declare(name, ty.clone());
                }
            }
            self.compiled(leaf, expression::compile(&leaf.value, &scope))?
        } else {
            self.program(leaf)?
        };
        self.identifies(leaf, program)
    }

    /// What a message is ordered by, before any step has run.
    pub fn lane_key(&self, leaf: &Leaf) -> Option<Program> {
        match expression::compile(&leaf.value, &self.scope) {
            Ok(program) => self.identifies(leaf, program),
            Err(problems) => {
                for problem in problems {
                    let span = leaf.place.within(problem.span.clone());
                    let name = self.sheet.text.get(span.clone()).unwrap_or_default();
                    if problem.code == expression::code::UNKNOWN_NAME
                        && self.heads.iter().any(|head| head.name == name)
                    {
                        let message =
                            format!("step `{name}` has not run when a message is accepted");
                        let help = "`ordered_by` sees message, headers and meta";
                        self.sheet.error_help(code::STEP_LATER, span, message, help);
                    } else {
                        self.problem(span, problem);
                    }
                }
                None
            }
        }
    }

    fn identifies(&self, leaf: &Leaf, program: Program) -> Option<Program> {
        if !is_key(program.ty()) {
            let message = format!("a key is text or a number, not {}", program.ty());
            let help = "take a field that identifies: \"message.id\"";
            self.sheet.error_help(code::TYPE, leaf.span(), message, help);
            return None;
        }
        Some(program)
    }

    /// A tree of expressions that must give a value of this type, or of whatever type it has.
    pub fn mapping(&self, tree: &WrittenTree, expected: Option<&Type>) -> Option<With> {
        match expression::compile_tree(&tree.tree, &self.scope, expected) {
            Ok(mapping) => {
                let line = |place: &crate::written::Place| self.sheet.line_of(place.span.start);
                let lines = tree.places.iter().map(|place| line(place) as u32).collect();
                Some(With::new(mapping, lines))
            }
            Err(problems) => {
                for found in problems {
                    let place = tree.place(found.mark.unwrap_or(0), found.problem.span.clone());
                    self.problem(place, found.problem);
                }
                None
            }
        }
    }

    fn compiled(&self, leaf: &Leaf, compiled: Result<Program, Vec<Problem>>) -> Option<Program> {
        match compiled {
            Ok(program) => Some(program),
            Err(problems) => {
                for problem in problems {
                    self.problem(leaf.place.within(problem.span.clone()), problem);
                }
                None
            }
        }
    }

    /// What crate `expression` found; names of steps that are not in scope are ours to explain.
    fn problem(&self, span: Range<usize>, problem: Problem) {
        if problem.code == expression::code::UNKNOWN_NAME
            && let Some(name) = self.sheet.text.get(span.clone())
            && let Some(head) = self.heads.iter().find(|head| head.name == name)
        {
            let (code, message, help) = if head.has_result {
                let message = format!("step `{name}` has not run yet");
                (code::STEP_LATER, message, format!("it stands in line {}; move it up", head.line))
            } else {
                let message = format!("step `{name}` has no result");
                let help = "only call, set, park and find have one";
                (code::STEP_WITHOUT_RESULT, message, help.to_owned())
            };
            self.sheet.error_help(code, span, message, help);
            return;
        }
        let code = code::of_expression(problem.code);
        self.sheet.push(code, crate::Severity::Error, span, problem.message, problem.help);
    }

    /// The step that a caller is answered with: it must have a result, always.
    pub fn reply_step(&self, name: &Text) -> Option<usize> {
        let refuse = |message: String, help: String| {
            self.sheet.error_help(code::REPLY_STEP, name.span(), message, help);
            None
        };
        let Some(at) = self.heads.iter().position(|head| head.name == name.value) else {
            let names = self.heads.iter().map(|head| head.name.as_str());
            let help = suggestion(&name.value, names, "name one of the steps of this route");
            return refuse(format!("no step `{}` to reply with", name.value), help);
        };
        let head = &self.heads[at];
        if !head.has_result {
            let help = "reply with a call, set, park or find".to_owned();
            return refuse(format!("step `{}` has no result to reply with", name.value), help);
        }
        if head.may_not_run {
            let message = format!("step `{}` may not run, so there may be no reply", name.value);
            return refuse(message, "reply with a step that has no `when`".to_owned());
        }
        Some(at)
    }

    /// `durable = false`: nothing is acknowledged before its effect, so there is at most one effect,
    /// it comes last, and the caller's own key makes repeating it safe.
    pub fn not_durable(&self, span: Range<usize>, replies_by_step: bool, has_key: bool) {
        let refuse = |message: &str, help: &str| {
            self.sheet.error_help(code::NOT_DURABLE, span.clone(), message, help);
        };
        if !replies_by_step {
            refuse(
                "`durable = false` would acknowledge a message that is not on disk",
                "reply with a step: reply = { step = \"quote\" }",
            );
        }
        if self.saga {
            refuse(
                "`durable = false`, but a saga must remember what it did",
                "drop `durable` or `saga`",
            );
        }
        let known: Vec<(usize, &Step)> = self
            .steps
            .iter()
            .enumerate()
            .filter_map(|(at, step)| Some((at, step.as_ref()?)))
            .collect();
        let effects: Vec<usize> =
            known.iter().filter(|(_, step)| step.has_effect()).map(|(at, _)| *at).collect();
        let waits = known
            .iter()
            .find(|(_, step)| matches!(step.kind, step::Kind::Park(_) | step::Kind::Find(_)));
        if let Some((_, step)) = waits {
            refuse(
                &format!("`durable = false`, but step `{}` may wait", step.name),
                "drop `durable`",
            );
        }
        if let Some((_, step)) = known.iter().find(|(_, step)| step.topic().is_some()) {
            let message = format!("`durable = false`, but step `{}` publishes", step.name);
            refuse(&message, "what is published must be on disk; drop `durable`");
        }
        let once = known
            .iter()
            .find(|(_, step)| matches!(&step.kind, step::Kind::Call(call) if call.once.is_some()));
        if let Some((_, step)) = once {
            let message =
                format!("`durable = false`, but `once` of step `{}` is kept on disk", step.name);
            refuse(&message, "drop `durable` or `once`");
        }
        match effects.as_slice() {
            [] => {}
            [only] => {
                let repeated = self.steps[*only].as_ref().is_some_and(|step| step.each.is_some());
                if *only + 1 != self.heads.len() || repeated {
                    let message = format!(
                        "`durable = false`, but the effect of step `{}` is not the last thing that happens",
                        self.heads[*only].name
                    );
                    refuse(&message, "make it the last step, without `each`, or drop `durable`");
                }
                if !has_key {
                    let message = "`durable = false` with an effect, but no key of the caller's";
                    refuse(message, "add a key: key = \"headers['idempotency-key']\"");
                }
            }
            [_, second, ..] => {
                let message = format!(
                    "`durable = false` allows one effect; step `{}` is the second",
                    self.heads[*second].name
                );
                refuse(&message, "drop `durable`");
            }
        }
    }
}

/// Types whose values identify something as text; see `plan::key_text`.
fn is_key(ty: &expression::Type) -> bool {
    use expression::Type as E;
    match ty {
        E::Dyn | E::String | E::Int | E::Uint | E::Decimal | E::Bool | E::Timestamp => true,
        E::Variant(variant) => variant.cases.iter().all(|case| case.payload.is_none()),
        E::Optional(inner) => is_key(inner),
        _ => false,
    }
}

/// Type names share long prefixes, so likeness is judged by what differs: first the same name in
/// another place or version, then the nearest name in the same interface, then anywhere.
fn nearest_type<'c>(name: &str, known: impl Iterator<Item = &'c str> + Clone) -> Option<&'c str> {
    let short = |full: &'_ str| -> String {
        let path = full.rsplit_once('@').map_or(full, |(path, _)| path);
        path.rsplit_once('/').map_or(path, |(_, local)| local).to_owned()
    };
    let wanted = short(name);
    let locals: Vec<(String, &'c str)> = known.clone().map(|full| (short(full), full)).collect();
    let last = |local: &str| local.rsplit_once('.').map_or(local.to_owned(), |(_, l)| l.to_owned());
    let same_name =
        || locals.iter().find(|(local, _)| last(local) == last(&wanted)).map(|(_, f)| *f);
    let exact = locals.iter().find(|(local, _)| *local == wanted).map(|(_, full)| *full);
    let alike = || {
        let local = nearest(&wanted, locals.iter().map(|(local, _)| local.as_str()))?;
        locals.iter().find(|(candidate, _)| candidate == local).map(|(_, full)| *full)
    };
    exact.or_else(same_name).or_else(alike).or_else(|| nearest(name, known))
}
