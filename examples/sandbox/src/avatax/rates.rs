//! The demo tax rates by ship-to, and what is not taxed.

use rust_decimal::Decimal;

/// One jurisdiction that taxes a line. `level` is AvaTax's jurisdiction type.
pub struct Rate {
    pub level: &'static str,
    pub code: &'static str,
    pub name: &'static str,
    pub tax: &'static str,
    /// In millionths: 88750 is 8.875%.
    pub millionths: i64,
}

impl Rate {
    pub fn factor(&self) -> Decimal {
        Decimal::new(self.millionths, 6)
    }
}

const NEW_YORK: [Rate; 3] = [
    rate("STA", "36", "NEW YORK", "NY STATE TAX", 40_000),
    rate("CIT", "51000", "NEW YORK CITY", "NY CITY TAX", 45_000),
    rate("STJ", "359071", "METROPOLITAN COMMUTER TRANSPORTATION DISTRICT", "NY SPECIAL TAX", 3_750),
];
const CALIFORNIA: [Rate; 2] = [
    rate("STA", "06", "CALIFORNIA", "CA STATE TAX", 60_000),
    rate("CTY", "075", "SAN FRANCISCO", "CA COUNTY TAX", 12_500),
];
const TEXAS: [Rate; 1] = [rate("STA", "48", "TEXAS", "TX STATE TAX", 62_500)];
const OTHER_STATE: [Rate; 1] = [rate("STA", "00", "STATE", "STATE TAX", 50_000)];
const GERMANY: [Rate; 1] = [rate("CNT", "DE", "GERMANY", "Standard Rate", 190_000)];
const BRITAIN: [Rate; 1] = [rate("CNT", "GB", "UNITED KINGDOM", "Standard Rate", 200_000)];
const FRANCE: [Rate; 1] = [rate("CNT", "FR", "FRANCE", "Standard Rate", 200_000)];
const CANADA: [Rate; 1] = [rate("CNT", "CA", "CANADA", "GST", 50_000)];

pub fn of(country: &str, region: &str) -> &'static [Rate] {
    match (country, region) {
        ("US", "NY") => &NEW_YORK,
        ("US", "CA") => &CALIFORNIA,
        ("US", "TX") => &TEXAS,
        ("US", _) => &OTHER_STATE,
        ("DE", _) => &GERMANY,
        ("GB", _) => &BRITAIN,
        ("FR", _) => &FRANCE,
        ("CA", _) => &CANADA,
        _ => &[],
    }
}

/// `NT` is never taxed; freight is not taxed in the United States (here) and Canada.
pub fn is_taxable(tax_code: &str, country: &str) -> bool {
    let freight = tax_code.starts_with("FR") && matches!(country, "US" | "CA");
    tax_code != "NT" && !freight
}

const fn rate(
    level: &'static str,
    code: &'static str,
    name: &'static str,
    tax: &'static str,
    millionths: i64,
) -> Rate {
    Rate { level, code, name, tax, millionths }
}
