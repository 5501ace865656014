//! Who buys and what is sold: the same customers and items in every product, as the README lists.

pub struct Party {
    pub code: &'static str,
    pub name: &'static str,
    /// None: no limit.
    pub credit_limit: Option<&'static str>,
    /// What was owed before the sandbox began.
    pub exposure: &'static str,
    /// Tryton ids.
    pub currency: i64,
    pub term: i64,
    pub street: &'static str,
    pub postal_code: &'static str,
    pub city: &'static str,
    pub country: i64,
    pub state: &'static str,
}

pub struct Item {
    pub sku: &'static str,
    pub name: &'static str,
    pub price: &'static str,
    pub weight_kg: f64,
    pub east: i64,
    pub west: i64,
}

/// Code and name of a country; the position + 1 is Tryton's id.
pub const COUNTRIES: [(&str, &str); 5] = [
    ("US", "United States"),
    ("DE", "Germany"),
    ("GB", "United Kingdom"),
    ("FR", "France"),
    ("CA", "Canada"),
];

/// The position + 1 is the id of party, address and company.
pub const PARTIES: [Party; 5] = [
    Party {
        code: "C-1001",
        name: "Harbour Hardware Ltd",
        credit_limit: Some("100000.00"),
        exposure: "12000.00",
        currency: 1,
        term: 1,
        street: "12 Pier Street",
        postal_code: "10004",
        city: "New York",
        country: 1,
        state: "NY",
    },
    Party {
        code: "C-1002",
        name: "Northwind Tools",
        credit_limit: Some("10000.00"),
        exposure: "9800.00",
        currency: 1,
        term: 1,
        street: "400 Market Street",
        postal_code: "94105",
        city: "San Francisco",
        country: 1,
        state: "CA",
    },
    Party {
        code: "C-1003",
        name: "Fallen Timber Inc",
        credit_limit: Some("0.00"),
        exposure: "5000.00",
        currency: 1,
        term: 3,
        street: "7 Mill Road",
        postal_code: "75201",
        city: "Dallas",
        country: 1,
        state: "TX",
    },
    Party {
        code: "C-1004",
        name: "Gebr. Falke GmbH",
        credit_limit: Some("50000.00"),
        exposure: "0.00",
        currency: 2,
        term: 2,
        street: "Hafenstraße 3",
        postal_code: "20457",
        city: "Hamburg",
        country: 2,
        state: "HH",
    },
    Party {
        code: "C-2001",
        name: "Web customer",
        credit_limit: None,
        exposure: "0.00",
        currency: 1,
        term: 3,
        street: "1 Main Street",
        postal_code: "10001",
        city: "New York",
        country: 1,
        state: "NY",
    },
];

/// The position + 1 is the id of product and part.
pub const ITEMS: [Item; 8] = [
    item("BOLT-M8", "Hex bolt M8 x 40", "0.25", 0.02, 100_000, 0),
    item("DRILL-18V", "Cordless drill 18 V", "149.00", 1.8, 1000, 0),
    item("GLOVE-L", "Work gloves, size L", "9.90", 0.2, 5000, 0),
    item("LADDER-6M", "Extension ladder 6 m", "389.00", 14.5, 10, 1000),
    item("PALLET-JACK", "Pallet jack 2500 kg", "420.00", 68.0, 0, 1000),
    item("GENERATOR-5K", "Generator 5 kW", "899.00", 82.0, 0, 0),
    item("SAW-BLADE", "Saw blade 210 mm", "19.50", 0.4, 3, 0),
    item("TAPE-BLUE", "Masking tape, blue", "4.20", 0.1, 500, 0),
];

/// The item of which one less is found than the books say.
pub const SHORT_PICKED: i64 = 8;

/// Name of a warehouse; the position + 1 is its id.
pub const SITES: [&str; 2] = ["East", "West"];

const fn item(
    sku: &'static str,
    name: &'static str,
    price: &'static str,
    weight_kg: f64,
    east: i64,
    west: i64,
) -> Item {
    Item { sku, name, price, weight_kg, east, west }
}
