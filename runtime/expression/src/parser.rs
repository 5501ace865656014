//! Tokens into a syntax tree. Recursion happens only for nesting and is counted; chains of operators
//! and of members are loops, and the height of the tree is bounded, so no source can overflow a
//! stack here or in a later pass.

use std::sync::Arc;

use crate::ast::{Element, Entry, Expr, Kind, Literal, Op};
use crate::lexer::{self, Token};
use crate::limits::DEPTH_MAX;
use crate::problem::{Problem, Span, code};

type Parsed<T> = Result<T, Box<Problem>>;

pub fn parse(source: &str) -> Result<Expr, Problem> {
    let tokens = lexer::tokens(source)?;
    let mut parser = Parser { tokens, at: 0, depth: 0 };
    if *parser.peek() == Token::End {
        return Err(Span::new(0, source.len()).problem(code::SYNTAX, "the expression is empty"));
    }
    let expr = parser.expr().map_err(|problem| *problem)?;
    match parser.peek() {
        Token::End => Ok(expr),
        _ => Err(*parser.unexpected("the end of the expression")),
    }
}

/// Words that CEL keeps for itself; no name in an expression can be one.
pub const RESERVED: &[&str] = &[
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

struct Parser {
    tokens: Vec<(Token, Span)>,
    at: usize,
    depth: usize,
}

/// What stands on the operator stack; a higher level binds tighter.
#[derive(Clone, Copy)]
enum Infix {
    Or,
    And,
    Binary(Op),
}

impl Infix {
    fn of(token: &Token) -> Option<Infix> {
        Some(match token {
            Token::Symbol("||") => Infix::Or,
            Token::Symbol("&&") => Infix::And,
            Token::Symbol(symbol) => Infix::Binary(match *symbol {
                "==" => Op::Equal,
                "!=" => Op::NotEqual,
                "<" => Op::Less,
                "<=" => Op::LessOrEqual,
                ">" => Op::Greater,
                ">=" => Op::GreaterOrEqual,
                "+" => Op::Add,
                "-" => Op::Subtract,
                "*" => Op::Multiply,
                "/" => Op::Divide,
                "%" => Op::Remainder,
                _ => return None,
            }),
            Token::Name(name) if &**name == "in" => Infix::Binary(Op::In),
            _ => return None,
        })
    }

    fn level(self) -> u8 {
        match self {
            Infix::Or => 1,
            Infix::And => 2,
            Infix::Binary(Op::Add | Op::Subtract) => 4,
            Infix::Binary(Op::Multiply | Op::Divide | Op::Remainder) => 5,
            Infix::Binary(_) => 3,
        }
    }
}

impl Parser {
    fn peek(&self) -> &Token {
        &self.tokens[self.at].0
    }

    fn span(&self) -> Span {
        self.tokens[self.at].1
    }

    fn next(&mut self) -> (Token, Span) {
        let token = self.tokens[self.at].clone();
        // The last token is `End`, which is never passed.
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        token
    }

    fn eat(&mut self, symbol: &'static str) -> Option<Span> {
        (*self.peek() == Token::Symbol(symbol)).then(|| self.next().1)
    }

    fn expect(&mut self, symbol: &'static str, opened: Option<(&str, Span)>) -> Parsed<Span> {
        if let Some(span) = self.eat(symbol) {
            return Ok(span);
        }
        let mut problem = self.unexpected(&format!("`{symbol}`"));
        if let (Some((opening, span)), Token::End) = (opened, self.peek()) {
            problem.message = format!("`{opening}` has no `{symbol}`");
            problem.span = span.range();
        }
        Err(problem)
    }

    fn unexpected(&self, wanted: &str) -> Box<Problem> {
        let found = match self.peek() {
            Token::End => "the end".to_owned(),
            Token::Symbol(symbol) => format!("`{symbol}`"),
            Token::Name(name) | Token::Quoted(name) => format!("`{name}`"),
            Token::String(_) => "a string".to_owned(),
            Token::Bytes(_) => "bytes".to_owned(),
            Token::Int(_) | Token::Uint(_) | Token::Double(_) => "a number".to_owned(),
        };
        let help = match self.peek() {
            Token::Name(name) => match &**name {
                "and" => Some("write `&&`"),
                "or" => Some("write `||`"),
                "not" => Some("write `!`"),
                _ => None,
            },
            _ => None,
        };
        let message = format!("expected {wanted}, found {found}");
        Box::new(self.span().problem(code::SYNTAX, message).maybe_help(help.map(str::to_owned)))
    }

    fn node(&self, kind: Kind, span: Span, below: usize) -> Parsed<Expr> {
        if below >= DEPTH_MAX {
            return Err(too_deep(span));
        }
        Ok(Expr { kind, span, height: below + 1 })
    }

    fn expr(&mut self) -> Parsed<Expr> {
        if self.depth >= DEPTH_MAX {
            return Err(too_deep(self.span()));
        }
        self.depth += 1;
        let expr = self.conditional();
        self.depth -= 1;
        expr
    }

    fn conditional(&mut self) -> Parsed<Expr> {
        let condition = self.binary()?;
        if self.eat("?").is_none() {
            return Ok(condition);
        }
        let then = self.expr()?;
        self.expect(":", None)?;
        let otherwise = self.expr()?;
        let span = condition.span.to(otherwise.span);
        let below = condition.height.max(then.height).max(otherwise.height);
        self.node(Kind::Conditional(Box::new([condition, then, otherwise])), span, below)
    }

    /// All infix operators by two stacks: nesting of levels costs no recursion.
    fn binary(&mut self) -> Parsed<Expr> {
        let mut operands = vec![self.unary()?];
        let mut operators: Vec<(Infix, Span)> = Vec::new();
        while let Some(infix) = Infix::of(self.peek()) {
            let (_, span) = self.next();
            while operators.last().is_some_and(|(top, _)| top.level() >= infix.level()) {
                self.reduce(&mut operands, &mut operators)?;
            }
            operators.push((infix, span));
            operands.push(self.unary()?);
        }
        while !operators.is_empty() {
            self.reduce(&mut operands, &mut operators)?;
        }
        operands.pop().ok_or_else(|| self.unexpected("a value"))
    }

    fn reduce(&self, operands: &mut Vec<Expr>, operators: &mut Vec<(Infix, Span)>) -> Parsed<()> {
        let (Some((infix, op_span)), Some(right), Some(left)) =
            (operators.pop(), operands.pop(), operands.pop())
        else {
            return Err(self.unexpected("a value"));
        };
        let span = left.span.to(right.span);
        let expr = match infix {
            Infix::Binary(op) => {
                let below = left.height.max(right.height);
                let (left, right) = (Box::new(left), Box::new(right));
                self.node(Kind::Binary { op, op_span, left, right }, span, below)?
            }
            // A chain grows in place: one node, however long.
            Infix::And | Infix::Or => {
                let is_and = matches!(infix, Infix::And);
                let right_height = right.height;
                let (mut items, height) = match left {
                    Expr { kind: Kind::And(items), height, .. } if is_and => (items, height),
                    Expr { kind: Kind::Or(items), height, .. } if !is_and => (items, height),
                    left => {
                        let height = left.height + 1;
                        (vec![left], height)
                    }
                };
                items.push(right);
                let kind = if is_and { Kind::And(items) } else { Kind::Or(items) };
                self.node(kind, span, right_height.max(height - 1))?
            }
        };
        operands.push(expr);
        Ok(())
    }

    fn unary(&mut self) -> Parsed<Expr> {
        let mut signs = Vec::new();
        while let Token::Symbol(symbol @ ("!" | "-")) = *self.peek() {
            let (_, span) = self.next();
            if signs.len() >= DEPTH_MAX {
                return Err(too_deep(span));
            }
            signs.push((symbol == "!", span));
        }
        // The sign directly before a number is part of the literal.
        let number = matches!(self.peek(), Token::Int(_) | Token::Double(_));
        let mut expr = self.member(signs.last().is_some_and(|(not, _)| !not))?;
        if let (true, Some((false, sign)), Some(folded)) =
            (number, signs.last().copied(), negated(&expr))
        {
            expr.kind = Kind::Literal(folded);
            expr.span = sign.to(expr.span);
            signs.pop();
        }
        for (not, sign) in signs.into_iter().rev() {
            let (span, below) = (sign.to(expr.span), expr.height);
            let of = Box::new(expr);
            expr = self.node(if not { Kind::Not(of) } else { Kind::Negate(of) }, span, below)?;
        }
        Ok(expr)
    }

    /// A primary and everything behind it: `.field`, `.?field`, `.call()`, `[index]`.
    fn member(&mut self, negative: bool) -> Parsed<Expr> {
        let mut expr = self.primary(negative)?;
        loop {
            if self.eat(".").is_some() {
                let optional = self.eat("?").is_some();
                let (token, field_span) = self.next();
                let field = match token {
                    Token::Name(name) | Token::Quoted(name) => name,
                    _ => {
                        self.at -= usize::from(token != Token::End);
                        return Err(self.unexpected("a field name"));
                    }
                };
                let called = !optional && *self.peek() == Token::Symbol("(");
                let below = expr.height;
                if called {
                    let (args, args_height, end) = self.arguments()?;
                    let (span, below) = (expr.span.to(end), below.max(args_height));
                    let target = Some(Box::new(expr));
                    let kind =
                        Kind::Call { function: field, function_span: field_span, target, args };
                    expr = self.node(kind, span, below)?;
                } else {
                    let span = expr.span.to(field_span);
                    let kind = Kind::Select { of: Box::new(expr), field, field_span, optional };
                    expr = self.node(kind, span, below)?;
                }
            } else if let Some(open) = self.eat("[") {
                let optional = self.eat("?").is_some();
                let index = self.expr()?;
                let end = self.expect("]", Some(("[", open)))?;
                let (span, below) = (expr.span.to(end), expr.height.max(index.height));
                let kind = Kind::Index { of: Box::new(expr), index: Box::new(index), optional };
                expr = self.node(kind, span, below)?;
            } else if matches!(expr.kind, Kind::Name(_) | Kind::Select { .. })
                && *self.peek() == Token::Symbol("{")
            {
                return Err(Box::new(
                    self.span().problem(code::SYNTAX, "records are not built by name").help(
                        "write `{'field': value, ...}`; it becomes the record that is wanted",
                    ),
                ));
            } else {
                return Ok(expr);
            }
        }
    }

    fn arguments(&mut self) -> Parsed<(Vec<Expr>, usize, Span)> {
        let open = self.expect("(", None)?;
        let (mut args, mut height) = (Vec::new(), 0);
        if let Some(end) = self.eat(")") {
            return Ok((args, height, end));
        }
        loop {
            let arg = self.expr()?;
            height = height.max(arg.height);
            args.push(arg);
            if let Some(end) = self.eat(")") {
                return Ok((args, height, end));
            }
            self.expect(",", Some(("(", open)))?;
        }
    }

    fn primary(&mut self, negative: bool) -> Parsed<Expr> {
        if let Some(open) = self.eat("(") {
            let mut expr = self.expr()?;
            let end = self.expect(")", Some(("(", open)))?;
            expr.span = open.to(end);
            return Ok(expr);
        }
        if *self.peek() == Token::Symbol("[") {
            return self.list();
        }
        if *self.peek() == Token::Symbol("{") {
            return self.map();
        }
        self.eat(".");
        let span = self.span();
        let literal = match self.peek().clone() {
            Token::Int(magnitude) => match i64::try_from(magnitude) {
                Ok(number) => Literal::Int(number),
                // Only with a sign in front; `unary` makes it negative.
                Err(_) if negative && magnitude == 1 << 63 => Literal::Int(i64::MIN),
                Err(_) => {
                    return Err(Box::new(
                        span.problem(code::LITERAL, "this is no integer of 64 bits")
                            .help("write large exact numbers as `decimal('...')`"),
                    ));
                }
            },
            Token::Uint(number) => Literal::Uint(number),
            Token::Double(number) => Literal::Double(number),
            Token::String(text) => Literal::String(text),
            Token::Bytes(bytes) => Literal::Bytes(bytes),
            Token::Name(name) => match &*name {
                "true" => Literal::Bool(true),
                "false" => Literal::Bool(false),
                "null" => Literal::Null,
                "in" => return Err(self.unexpected("a value")),
                _ => return self.name(name),
            },
            Token::Quoted(_) | Token::Symbol(_) | Token::End => {
                return Err(self.unexpected("a value"));
            }
        };
        self.next();
        self.node(Kind::Literal(literal), span, 0)
    }

    fn name(&mut self, name: Arc<str>) -> Parsed<Expr> {
        let (_, span) = self.next();
        if RESERVED.contains(&&*name) {
            return Err(Box::new(
                span.problem(code::SYNTAX, format!("`{name}` is a reserved word"))
                    .help(format!("put quotes around it if you mean the text: '{name}'")),
            ));
        }
        if *self.peek() == Token::Symbol("(") {
            let (args, below, end) = self.arguments()?;
            let kind = Kind::Call { function: name, function_span: span, target: None, args };
            return self.node(kind, span.to(end), below);
        }
        self.node(Kind::Name(name), span, 0)
    }

    fn list(&mut self) -> Parsed<Expr> {
        let (_, open) = self.next();
        let (mut elements, mut below) = (Vec::new(), 0);
        loop {
            if let Some(end) = self.eat("]") {
                return self.node(Kind::List(elements), open.to(end), below);
            }
            let optional = self.eat("?").is_some();
            let value = self.expr()?;
            below = below.max(value.height);
            elements.push(Element { value, optional });
            if *self.peek() != Token::Symbol("]") {
                self.expect(",", Some(("[", open)))?;
            }
        }
    }

    fn map(&mut self) -> Parsed<Expr> {
        let (_, open) = self.next();
        let (mut entries, mut below) = (Vec::new(), 0);
        loop {
            if let Some(end) = self.eat("}") {
                return self.node(Kind::Map(entries), open.to(end), below);
            }
            let optional = self.eat("?").is_some();
            let key = self.expr()?;
            self.expect(":", Some(("{", open)))?;
            let value = self.expr()?;
            below = below.max(key.height).max(value.height);
            entries.push(Entry { key, value, optional });
            if *self.peek() != Token::Symbol("}") {
                self.expect(",", Some(("{", open)))?;
            }
        }
    }
}

/// A number literal with its sign; `i64::MIN` is already what the sign made of it.
fn negated(expr: &Expr) -> Option<Literal> {
    match expr.kind {
        Kind::Literal(Literal::Int(number)) => Some(Literal::Int(number.wrapping_neg())),
        Kind::Literal(Literal::Double(number)) => Some(Literal::Double(-number)),
        _ => None,
    }
}

fn too_deep(span: Span) -> Box<Problem> {
    Box::new(
        span.problem(code::TOO_LARGE, format!("nested or chained deeper than {DEPTH_MAX}"))
            .help("split it over several steps, or join a long sum by `[...].sum()`, long text by `[...].join()`"),
    )
}
