//! The compiled form of an expression: a compact tree in which every name is a position, every
//! function is chosen and every constant is made. Built by the checker, run by the evaluator.

use std::sync::Arc;

use contract::{MapKey, Value};

use crate::ast::Op;
use crate::functions::Overload;
use crate::problem::Span;

#[derive(Debug)]
pub enum Node {
    Const(Value),
    Slot(usize),
    /// A variable of a macro, counted outwards from the innermost.
    Local(usize),
    /// A raw option (null or the value) as a CEL optional.
    Lift(Box<Node>),
    /// An optional that was tested: the value inside.
    Unwrap {
        of: Box<Node>,
        span: Span,
    },
    /// Part of a plain value; an error if it is not there.
    Select {
        of: Box<Node>,
        by: Selector,
        span: Span,
    },
    /// Part of a plain value, as an optional.
    TrySelect {
        of: Box<Node>,
        by: Selector,
        span: Span,
    },
    /// Part of an optional, as an optional.
    ChainSelect {
        of: Box<Node>,
        by: Selector,
        span: Span,
    },
    /// Whether an optional is there.
    HasValue(Box<Node>),
    /// The optional `of`, or else the plain default.
    OrValue {
        of: Box<Node>,
        default: Box<Node>,
    },
    /// The optional `of`, or else the other optional.
    OrOptional {
        of: Box<Node>,
        other: Box<Node>,
    },
    OptionalOf(Box<Node>),
    OptionalNone,
    OptionalOfNonZero(Box<Node>),
    /// `optMap` or, when flat, `optFlatMap`; the body has one local.
    OptMap {
        of: Box<Node>,
        body: Box<Node>,
        flat: bool,
    },
    /// `cel.bind`: the body has one local.
    Bind {
        init: Box<Node>,
        body: Box<Node>,
    },
    Not {
        of: Box<Node>,
        span: Span,
    },
    Negate {
        of: Box<Node>,
        span: Span,
    },
    And {
        items: Box<[Node]>,
        span: Span,
    },
    Or {
        items: Box<[Node]>,
        span: Span,
    },
    Conditional {
        parts: Box<[Node; 3]>,
        span: Span,
    },
    Binary {
        op: Op,
        sides: Box<[Node; 2]>,
        span: Span,
    },
    /// A variant is this case.
    IsCase {
        of: Box<Node>,
        case: usize,
    },
    /// With a mark on each element that is given by `?`.
    List {
        items: Box<[(Node, bool)]>,
        span: Span,
    },
    Map {
        entries: Box<[(Node, Node, bool)]>,
        span: Span,
    },
    Record {
        ty: Arc<contract::Record>,
        fields: Box<[Node]>,
    },
    Variant {
        ty: Arc<contract::Variant>,
        case: usize,
        payload: Option<Box<Node>>,
    },
    Comprehension(Box<Comprehension>),
    /// The first overload that takes the arguments; one when all types are known.
    Call {
        overloads: Box<[&'static Overload]>,
        args: Box<[Node]>,
        span: Span,
    },
    Matches {
        of: Box<Node>,
        pattern: Box<regex::Regex>,
        span: Span,
    },
    /// A value made into one of a contract type.
    Convert {
        of: Box<Node>,
        to: contract::Type,
        span: Span,
    },
}

/// Which part of a value.
#[derive(Debug)]
pub enum Selector {
    /// A record field; `option` when the field is an option, so null is absent.
    Field { at: usize, option: bool },
    /// A map entry.
    Key(MapKey),
    /// The payload of a variant case.
    Case(usize),
    /// `ok` or `err` of a result.
    Side { ok: bool },
    /// Bit of flags.
    Flag(usize),
    /// A name on a value whose type is known only now.
    Name(Arc<str>),
    /// `[index]` of a list or map.
    Index(Box<Node>),
}

#[derive(Debug)]
pub struct Comprehension {
    pub kind: ComprehensionKind,
    pub range: Node,
    /// Two variables: index or key first, value second.
    pub two: bool,
    pub filter: Option<Node>,
    pub body: Node,
    pub span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComprehensionKind {
    All,
    Exists,
    ExistsOne,
    /// A list of bodies.
    Map,
    /// A list of the elements for which the body holds.
    Filter,
    /// A map with the same keys.
    TransformMap,
    /// A map joined from the maps that the bodies are.
    TransformMapEntry,
}
