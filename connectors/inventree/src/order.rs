//! The sales order behind a canonical order. Its number is worked out from the order's id, and
//! InvenTree takes a number once: so it is found by one exact filter, and two attempts at once
//! cannot make two. A cancelled one does not count: the order may be promised anew, by the next
//! number.

use std::collections::BTreeMap;

use crossdock_sdk::canonical::orders::{Order, OrderLine};
use crossdock_sdk::canonical::{PIECE, price_each, unit_of};
use crossdock_sdk::{Decimal, Fault, Refusal, decimal};
use serde_json::json;

use crate::client::{Answer, get, list, post};
use crate::objects::{Allocation, CANCELLED, Line, Part, SalesOrder, Shipment};
use crate::{Config, customer};

/// The longest `customer_reference` that InvenTree takes.
const REFERENCE_MAX: usize = 64;
/// The longest `reference` of a line.
const LINE_MAX: usize = 100;
/// The longest description of a sales order; what is longer is cut.
const DESCRIPTION_MAX: usize = 250;
const DECIMALS_MAX: u32 = 5;
pub const COUNTS: &str = "InvenTree counts to five decimals";
/// How often an order may be promised and given up again.
const GENERATIONS_MAX: usize = 50;

/// A sales order with all that belongs to it.
pub struct Whole {
    pub order: SalesOrder,
    pub lines: Vec<Line>,
    pub shipments: Vec<Shipment>,
    pub allocations: Vec<Allocation>,
}

impl Whole {
    fn empty(order: SalesOrder) -> Whole {
        let (lines, shipments, allocations) = (Vec::new(), Vec::new(), Vec::new());
        Whole { order, lines, shipments, allocations }
    }

    pub fn read(order: SalesOrder) -> Result<Whole, Fault> {
        let pk = order.pk.to_string();
        let of_order = |detail| [("order", pk.as_str()), (detail, "true")];
        Ok(Whole {
            lines: list("/api/order/so-line/", &of_order("part_detail"))?,
            shipments: list("/api/order/so/shipment/", &[("order", &pk)])?,
            allocations: list("/api/order/so-allocation/", &of_order("item_detail"))?,
            order,
        })
    }

    pub fn line(&self, pk: i64) -> Option<&Line> {
        self.lines.iter().find(|line| line.pk == pk)
    }

    /// By the canonical line id.
    pub fn line_of(&self, id: &str) -> Option<&Line> {
        self.lines.iter().find(|line| line.reference == id)
    }

    /// Shipped goods stay allocated.
    pub fn allocated(&self, line: i64) -> Decimal {
        let of_line = self.allocations.iter().filter(|allocation| allocation.line == line);
        of_line.map(|allocation| allocation.quantity).sum()
    }

    pub fn in_shipment(&self, shipment: i64) -> impl Iterator<Item = &Allocation> {
        self.allocations.iter().filter(move |allocation| allocation.shipment == Some(shipment))
    }
}

/// The sales orders of an order, oldest first; all but the last are cancelled.
pub struct Generations {
    pub all: Vec<SalesOrder>,
    /// The number for the next one.
    next: String,
}

impl Generations {
    pub fn read(order: &str, config: &Config) -> Result<Generations, Fault> {
        let mut all: Vec<SalesOrder> = Vec::new();
        for generation in 0..GENERATIONS_MAX {
            let number = number_of(order, generation, config);
            let found: Vec<SalesOrder> = list("/api/order/so/", &[("reference", &number)])?;
            let found = found.into_iter().find(|found| found.reference == number);
            let Some(found) = found else { return Ok(Generations { all, next: number }) };
            // Another order may have come by the same number: then this one takes the next.
            if found.customer_reference == order {
                let live = found.status != CANCELLED;
                all.push(found);
                if live {
                    return Ok(Generations { all, next: String::new() });
                }
            }
        }
        let message = format!("{order} was given up {GENERATIONS_MAX} times in InvenTree");
        Err(Fault::never("too-many", message))
    }

    pub fn live(&self) -> Option<&SalesOrder> {
        self.all.last().filter(|last| last.status != CANCELLED)
    }
}

/// What there is of an order: its live sales order, or the number for one.
pub struct Known {
    pub whole: Option<Whole>,
    next: String,
}

impl Known {
    pub fn read(order: &str, config: &Config) -> Result<Known, Fault> {
        let generations = Generations::read(order, config)?;
        let whole = generations.live().cloned().map(Whole::read).transpose()?;
        Ok(Known { whole, next: generations.next })
    }
}

/// The live sales order of an order.
pub fn find(order: &str, config: &Config) -> Result<Option<SalesOrder>, Fault> {
    Ok(Generations::read(order, config)?.live().cloned())
}

pub fn by_pk(pk: i64) -> Result<Option<SalesOrder>, Fault> {
    get(&format!("/api/order/so/{pk}/"))
}

/// Whether it was made here: others write into `customer_reference` what they like.
pub fn is_ours(order: &SalesOrder, config: &Config) -> bool {
    let id = &order.customer_reference;
    !id.is_empty() && (0..GENERATIONS_MAX).any(|at| number_of(id, at, config) == order.reference)
}

/// Parts by item number; those that InvenTree does not know are missing.
pub fn parts(lines: &[OrderLine]) -> Result<BTreeMap<String, Part>, Fault> {
    let mut parts = BTreeMap::new();
    for line in lines {
        if !parts.contains_key(&line.item)
            && let Some(part) = part(&line.item)?
        {
            parts.insert(line.item.clone(), part);
        }
    }
    Ok(parts)
}

pub fn part(item: &str) -> Result<Option<Part>, Fault> {
    let found: Vec<Part> = list("/api/part/", &[("IPN", item)])?;
    Ok(found.into_iter().find(|part| part.ipn.as_deref() == Some(item)))
}

pub fn part_unit(part: &Part) -> &str {
    part.units.as_deref().map_or(PIECE, unit_of)
}

/// Whether the line counts as InvenTree does: in the part's base unit.
pub fn same_unit(line: &OrderLine, parts: &BTreeMap<String, Part>) -> bool {
    let part = parts.get(&line.item);
    part.is_none_or(|part| part_unit(part) == unit_of(&line.quantity.unit))
}

/// Whether its quantity is one that InvenTree can keep: it would round a line and refuse to allocate.
pub fn is_countable(line: &OrderLine) -> bool {
    let quantity = decimal::parse(&line.quantity.value);
    quantity.is_ok_and(|quantity| quantity.normalize().scale() <= DECIMALS_MAX)
}

/// The sales order with these of its lines, created as far as it is missing.
pub fn ensure<'a>(
    known: Known,
    order: &Order,
    lines: impl Iterator<Item = &'a OrderLine>,
    config: &Config,
    parts: &BTreeMap<String, Part>,
) -> Answer<Whole> {
    let mut whole = match known.whole {
        Some(whole) => whole,
        None => match create(order, config, &known.next)? {
            Ok(created) => Whole::empty(created),
            // Perhaps another attempt was faster.
            Err(refusal) => match find(&order.id, config)? {
                Some(found) => Whole::read(found)?,
                None => return Ok(Err(refusal)),
            },
        },
    };
    for line in lines {
        let Some(part) = parts.get(&line.item) else { continue };
        if whole.line_of(&line.id).is_some() {
            continue;
        }
        if line.id.chars().count() > LINE_MAX {
            let message = format!("a line id of more than {LINE_MAX} characters");
            return Ok(Err(refusal("line-id", &message)));
        }
        let price = line.price.as_ref().map(price_each).transpose()?;
        let values = json!({
            "order": whole.order.pk, "part": part.pk, "reference": line.id,
            "quantity": number(&line.quantity.value)?,
            "sale_price": price.map(|price| decimal::text(price.round_dp(6))),
            "sale_price_currency": order.currency,
        });
        match post::<Line>("/api/order/so-line/", &values)? {
            Ok(created) => whole.lines.push(Line { part_detail: Some(part.clone()), ..created }),
            Err(refusal) => return Ok(Err(refusal)),
        }
    }
    Ok(Ok(whole))
}

fn create(order: &Order, config: &Config, number: &str) -> Answer<SalesOrder> {
    if order.id.chars().count() > REFERENCE_MAX {
        let message = format!("an order id of more than {REFERENCE_MAX} characters");
        return Ok(Err(refusal("order-id", &message)));
    }
    let company = match customer::company(order, config)? {
        Ok(company) => company,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let address = match customer::address(company, &order.ship_to)? {
        Ok(address) => address,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let description = order.customer_order_number.as_deref().unwrap_or_default();
    let values = json!({
        "reference": number, "customer": company, "customer_reference": order.id,
        "description": customer::cut(description, DESCRIPTION_MAX),
        "order_currency": order.currency, "target_date": order.requested_on, "address": address,
    });
    post("/api/order/so/", &values)
}

/// InvenTree wants a prefix and digits: here a hash (FNV-1a) of the order's id.
fn number_of(id: &str, generation: usize, config: &Config) -> String {
    const DIGITS: u64 = 1_000_000_000_000_000;
    let text = format!("{id}#{generation}");
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{}{:04}", config.reference_prefix, hash % DIGITS)
}

/// Quantities are JSON numbers, written by their digits.
pub fn number(text: &str) -> Result<serde_json::Value, Fault> {
    let plain = decimal::text(decimal::parse(text)?);
    serde_json::from_str(&plain).map_err(|_| Fault::input(format!("`{text}` is not a quantity")))
}

pub fn refusal(code: &str, message: &str) -> Refusal {
    Refusal { code: code.into(), message: message.into(), lines: Vec::new() }
}
