//! A tree of TOML whose leaves are expressions, compiled into one value: `with`, `set`, `show`.
//! Every problem of every leaf is found at once and carries the caller's mark.

use std::sync::Arc;

use contract::{Type as Wanted, Value};

use crate::checker::decimal_of;
use crate::convert::{contract_snake, convert};
use crate::fit::show;
use crate::limits::TREE_DEPTH_MAX;
use crate::problem::{EvaluationError, Problem, Span, code, nearest};
use crate::{Program, Scope, Type, compile, compile_to};

/// As read from the file. `at` and the marks of keys are the caller's, who knows the places.
#[derive(Clone, Debug)]
pub enum Tree {
    Expression {
        source: String,
        at: usize,
    },
    /// A number, bool or date-time of TOML.
    Literal(Value),
    Table(Vec<(String, usize, Tree)>),
    Array(Vec<Tree>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeProblem {
    /// The expression or the key concerned; none: the tree itself.
    pub mark: Option<usize>,
    /// The span is inside the expression; empty where a key or the tree is concerned.
    pub problem: Problem,
}

/// A compiled tree.
#[derive(Debug)]
pub struct Mapping {
    plan: Plan,
    ty: Type,
    contract: Option<Wanted>,
    slots: Vec<usize>,
}

#[derive(Debug)]
enum Plan {
    Program {
        program: Program,
        mark: usize,
    },
    Const(Value),
    Record {
        ty: Arc<contract::Record>,
        fields: Vec<Plan>,
    },
    Variant {
        ty: Arc<contract::Variant>,
        case: usize,
        payload: Box<Plan>,
    },
    List(Vec<Plan>),
    /// Without a contract: some leaf is dyn.
    Map(Vec<(Arc<str>, Plan)>),
}

/// With `expected` the value is one of that contract type. Without, its type is inferred; where
/// every leaf has a type, the result is a value of an anonymous contract type.
pub fn compile_tree(
    tree: &Tree,
    scope: &Scope,
    expected: Option<&Wanted>,
) -> Result<Mapping, Vec<TreeProblem>> {
    let Some(expected) = expected else {
        let mut compiler = Compiler { scope, problems: Vec::new(), slots: Vec::new() };
        let (plan, ty) = compiler.free(tree, None, 0);
        let free = compiler.finish(plan, ty, None)?;
        return match free.ty.to_contract() {
            Some(wanted) => compile_tree(tree, scope, Some(&wanted)),
            None => Ok(free),
        };
    };
    let mut compiler = Compiler { scope, problems: Vec::new(), slots: Vec::new() };
    let plan = compiler.typed(tree, expected, None, 0);
    compiler.finish(plan, Type::of(expected), Some(expected.clone()))
}

impl Mapping {
    pub fn ty(&self) -> &Type {
        &self.ty
    }

    /// The contract type of the result; none if something in it is dyn.
    pub fn contract_type(&self) -> Option<&Wanted> {
        self.contract.as_ref()
    }

    /// Ascending, each once.
    pub fn slots_used(&self) -> &[usize] {
        &self.slots
    }

    /// Never contains a CEL optional: what is absent is null. An error carries the mark of its leaf.
    pub fn evaluate(&self, slots: &[Value]) -> Result<Value, EvaluationError> {
        self.plan.evaluate(slots)
    }
}

impl Plan {
    fn evaluate(&self, slots: &[Value]) -> Result<Value, EvaluationError> {
        let all = |plans: &[Plan]| {
            plans.iter().map(|plan| plan.evaluate(slots)).collect::<Result<Vec<_>, _>>()
        };
        Ok(match self {
            Plan::Program { program, mark } => program
                .evaluate(slots)
                .map(plain)
                .map_err(|error| EvaluationError { mark: Some(*mark), ..error })?,
            Plan::Const(value) => value.clone(),
            Plan::Record { ty, fields } => Value::record(ty.clone(), all(fields)?),
            Plan::Variant { ty, case, payload } => {
                Value::variant(ty.clone(), *case, Some(payload.evaluate(slots)?))
            }
            Plan::List(items) => Value::list(all(items)?),
            Plan::Map(entries) => {
                let entries = entries.iter().map(|(name, plan)| {
                    Ok((contract::MapKey::String(name.clone()), plan.evaluate(slots)?))
                });
                Value::Map(Arc::new(entries.collect::<Result<_, EvaluationError>>()?))
            }
        })
    }
}

/// Optionals become null or what is in them, also inside lists and maps.
fn plain(value: Value) -> Value {
    match value {
        Value::Optional(None) => Value::Null,
        Value::Optional(Some(inner)) => plain(Arc::unwrap_or_clone(inner)),
        Value::List(items) if items.iter().any(holds_optional) => {
            Value::list(Arc::unwrap_or_clone(items).into_iter().map(plain).collect())
        }
        Value::Map(map) if map.values().any(holds_optional) => {
            let entries =
                Arc::unwrap_or_clone(map).into_iter().map(|(key, value)| (key, plain(value)));
            Value::Map(Arc::new(entries.collect()))
        }
        other => other,
    }
}

fn holds_optional(value: &Value) -> bool {
    match value {
        Value::Optional(_) => true,
        Value::List(items) => items.iter().any(holds_optional),
        Value::Map(map) => map.values().any(holds_optional),
        _ => false,
    }
}

struct Compiler<'s> {
    scope: &'s Scope,
    problems: Vec<TreeProblem>,
    slots: Vec<usize>,
}

const NOTHING: Plan = Plan::Const(Value::Null);

impl Compiler<'_> {
    fn finish(
        mut self,
        plan: Plan,
        ty: Type,
        contract: Option<Wanted>,
    ) -> Result<Mapping, Vec<TreeProblem>> {
        if !self.problems.is_empty() {
            return Err(self.problems);
        }
        self.slots.sort_unstable();
        self.slots.dedup();
        Ok(Mapping { plan, ty, contract, slots: self.slots })
    }

    fn report(&mut self, mark: Option<usize>, problem: Problem) -> Plan {
        self.problems.push(TreeProblem { mark, problem });
        NOTHING
    }

    fn problem(
        &mut self,
        mark: Option<usize>,
        code: &'static str,
        message: String,
        help: Option<String>,
    ) -> Plan {
        self.report(mark, Span::default().problem(code, message).maybe_help(help))
    }

    fn program(&mut self, compiled: Result<Program, Vec<Problem>>, mark: usize) -> Option<Program> {
        match compiled {
            Ok(program) => {
                self.slots.extend(program.slots_used());
                Some(program)
            }
            Err(problems) => {
                self.problems.extend(
                    problems.into_iter().map(|problem| TreeProblem { mark: Some(mark), problem }),
                );
                None
            }
        }
    }

    fn too_deep(&mut self, mark: Option<usize>, depth: usize) -> bool {
        if depth >= TREE_DEPTH_MAX {
            self.problem(
                mark,
                code::TOO_LARGE,
                format!("nested deeper than {TREE_DEPTH_MAX}"),
                None,
            );
        }
        depth >= TREE_DEPTH_MAX
    }

    fn typed(&mut self, tree: &Tree, to: &Wanted, mark: Option<usize>, depth: usize) -> Plan {
        if self.too_deep(mark, depth) {
            return NOTHING;
        }
        match (tree, to) {
            (Tree::Expression { source, at }, _) => {
                let compiled = compile_to(source, self.scope, to);
                match self.program(compiled, *at) {
                    Some(program) => Plan::Program { program, mark: *at },
                    None => NOTHING,
                }
            }
            (_, Wanted::Option(inner)) => self.typed(tree, inner, mark, depth),
            (Tree::Literal(value), _) => self.literal(value, to, mark),
            (Tree::Table(entries), Wanted::Record(record)) => {
                self.record(entries, record, mark, depth)
            }
            (Tree::Table(entries), Wanted::Variant(variant)) => {
                self.variant(entries, variant, mark, depth)
            }
            (Tree::Array(items), Wanted::List(element)) => Plan::List(
                items.iter().map(|item| self.typed(item, element, mark, depth + 1)).collect(),
            ),
            (Tree::Array(items), Wanted::Tuple(wanted)) if items.len() == wanted.len() => {
                let pairs = items.iter().zip(wanted.iter());
                Plan::List(
                    pairs.map(|(item, wanted)| self.typed(item, wanted, mark, depth + 1)).collect(),
                )
            }
            (Tree::Table(_), _) => self.problem(
                mark,
                code::TYPE,
                format!("expected {}, found a table", show(to)),
                None,
            ),
            (Tree::Array(_), _) => self.problem(
                mark,
                code::TYPE,
                format!("expected {}, found an array", show(to)),
                None,
            ),
        }
    }

    fn literal(&mut self, value: &Value, to: &Wanted, mark: Option<usize>) -> Plan {
        let made = match (value, to) {
            // The digits as written in the file are exact.
            (Value::Double(number), Wanted::Scalar(contract::Scalar::Decimal)) => {
                match decimal_of(*number) {
                    Some(number) => Ok(Value::Decimal(number)),
                    None => Err("the number is no decimal of at most 28 digits".to_owned()),
                }
            }
            _ => convert(value.clone(), to),
        };
        match made {
            Ok(value) => Plan::Const(value),
            Err(reason) => self.problem(mark, code::LITERAL, reason, None),
        }
    }

    fn record(
        &mut self,
        entries: &[(String, usize, Tree)],
        record: &Arc<contract::Record>,
        mark: Option<usize>,
        depth: usize,
    ) -> Plan {
        let mut fields: Vec<Option<Plan>> = record.fields.iter().map(|_| None).collect();
        for (key, key_mark, tree) in entries {
            match record.field(key) {
                Some(at) => {
                    fields[at] =
                        Some(self.typed(tree, &record.fields[at].ty, Some(*key_mark), depth + 1));
                }
                None => {
                    let known = record.fields.iter().map(|field| field.json.as_str());
                    let help = match nearest(key, known.clone()) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("its fields are {}", known.collect::<Vec<_>>().join(", ")),
                    };
                    let message = format!("{} has no field `{key}`", record.name.name);
                    self.problem(Some(*key_mark), code::UNKNOWN_FIELD, message, Some(help));
                }
            }
        }
        let mut missing = Vec::new();
        let mut made = Vec::with_capacity(fields.len());
        for (plan, field) in fields.into_iter().zip(&record.fields) {
            if plan.is_none() && !matches!(field.ty, Wanted::Option(_)) {
                missing.push(format!("`{}`", field.json));
            }
            made.push(plan.unwrap_or(NOTHING));
        }
        if !missing.is_empty() {
            let noun = if missing.len() == 1 { "field" } else { "fields" };
            let message = format!("{} needs the {noun} {}", record.name.name, missing.join(", "));
            self.problem(mark, code::MISSING_FIELD, message, None);
        }
        Plan::Record { ty: record.clone(), fields: made }
    }

    fn variant(
        &mut self,
        entries: &[(String, usize, Tree)],
        variant: &Arc<contract::Variant>,
        mark: Option<usize>,
        depth: usize,
    ) -> Plan {
        let name = &variant.name.name;
        let [(key, key_mark, tree)] = entries else {
            let message = format!("{name} is written as a table of one case");
            return self.problem(mark, code::TYPE, message, None);
        };
        let Some(case) = variant.case(key) else {
            let known = variant.cases.iter().map(|case| case.json.as_str());
            let help = match nearest(key, known.clone()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("its cases are {}", known.collect::<Vec<_>>().join(", ")),
            };
            return self.problem(
                Some(*key_mark),
                code::UNKNOWN_CASE,
                format!("{name} has no case `{key}`"),
                Some(help),
            );
        };
        match &variant.cases[case].payload {
            Some(payload) => {
                let payload = Box::new(self.typed(tree, payload, Some(*key_mark), depth + 1));
                Plan::Variant { ty: variant.clone(), case, payload }
            }
            None => {
                let message = format!("the case `{key}` of {name} carries no value");
                self.problem(
                    Some(*key_mark),
                    code::TYPE,
                    message,
                    Some(format!("write \"'{key}'\"")),
                )
            }
        }
    }

    /// Without a wanted type.
    fn free(&mut self, tree: &Tree, mark: Option<usize>, depth: usize) -> (Plan, Type) {
        if self.too_deep(mark, depth) {
            return (NOTHING, Type::Dyn);
        }
        match tree {
            Tree::Expression { source, at } => {
                let compiled = compile(source, self.scope);
                match self.program(compiled, *at) {
                    Some(program) => {
                        let ty = program.ty().clone();
                        (Plan::Program { program, mark: *at }, ty)
                    }
                    None => (NOTHING, Type::Dyn),
                }
            }
            Tree::Literal(value) => (Plan::Const(value.clone()), literal_type(value)),
            Tree::Table(entries) => {
                let mut types: Vec<(Arc<str>, Type)> = Vec::with_capacity(entries.len());
                let mut plans = Vec::with_capacity(entries.len());
                for (key, key_mark, tree) in entries {
                    let name: Arc<str> = key.as_str().into();
                    if contract_snake(key) != *key || types.iter().any(|(known, _)| *known == name)
                    {
                        let message = format!("`{key}` cannot be the name of a field here");
                        let help = format!("write `{}`, once", contract_snake(key));
                        self.problem(Some(*key_mark), code::UNKNOWN_NAME, message, Some(help));
                    }
                    let (plan, ty) = self.free(tree, Some(*key_mark), depth + 1);
                    types.push((name.clone(), ty));
                    plans.push((name, plan));
                }
                (Plan::Map(plans), Type::Struct(types.into()))
            }
            Tree::Array(items) => {
                let mut joined = Type::Never;
                let mut plans = Vec::with_capacity(items.len());
                for item in items {
                    let (plan, ty) = self.free(item, mark, depth + 1);
                    joined = joined.join(&ty);
                    plans.push(plan);
                }
                (Plan::List(plans), Type::list(joined.settled()))
            }
        }
    }
}

fn literal_type(value: &Value) -> Type {
    match value {
        Value::Bool(_) => Type::Bool,
        Value::Int(_) => Type::Int,
        Value::Uint(_) => Type::Uint,
        Value::Double(_) => Type::Double,
        Value::Decimal(_) => Type::Decimal,
        Value::String(_) => Type::String,
        Value::Timestamp(_) => Type::Timestamp,
        Value::Duration(_) => Type::Duration,
        _ => Type::Dyn,
    }
}
