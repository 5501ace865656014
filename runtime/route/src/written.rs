//! Route files as written: every value with its place in the file. Nothing here knows contracts;
//! `check` turns what is written into a Plan.

mod sheet;
mod table;
mod tree;

pub(crate) use sheet::{Place, Sheet, nearest};
pub(crate) use table::{Leaf, Table, Text, Written, text_of};
pub(crate) use tree::WrittenTree;
