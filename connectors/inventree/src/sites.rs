//! Sites: the stock locations that goods are promised and sent from, with all shelves below them.

use std::collections::BTreeMap;

use crossdock_sdk::Fault;

use crate::Config;
use crate::client::list;
use crate::objects::Location;

pub struct Sites {
    /// In order of preference.
    pub all: Vec<Location>,
    /// From a location to the site that it is in, by its place in `all`.
    site_of: BTreeMap<i64, usize>,
}

impl Sites {
    /// The locations that the config names, by name or path; without it those that lie in no other.
    pub fn read(config: &Config) -> Result<Sites, Fault> {
        Sites::of(list("/api/stock/location/", &[])?, config)
    }

    fn of(locations: Vec<Location>, config: &Config) -> Result<Sites, Fault> {
        let mut all = Vec::new();
        for wanted in &config.sites {
            let same = |known: &&Location| known.pathstring == *wanted || known.name == *wanted;
            let found = locations.iter().find(same).cloned();
            all.push(found.ok_or_else(|| {
                Fault::never("config", format!("sites: InvenTree has no stock location `{wanted}`"))
            })?);
        }
        if config.sites.is_empty() {
            all = locations.iter().filter(|known| known.parent.is_none()).cloned().collect();
        }
        let parents: BTreeMap<i64, Option<i64>> =
            locations.iter().map(|known| (known.pk, known.parent)).collect();
        let place = |pk: i64| all.iter().position(|site| site.pk == pk);
        let mut site_of = BTreeMap::new();
        for location in &locations {
            let mut here = Some(location.pk);
            // A tree is no deeper than it has places.
            for _ in 0..=locations.len() {
                let Some(pk) = here else { break };
                if let Some(site) = place(pk) {
                    site_of.insert(location.pk, site);
                    break;
                }
                here = parents.get(&pk).copied().flatten();
            }
        }
        Ok(Sites { all, site_of })
    }

    /// The site that a location is in. What has left is nowhere; with one site it can only be that.
    pub fn at(&self, location: Option<i64>) -> Option<&Location> {
        match (location, self.all.as_slice()) {
            (Some(location), _) => self.all.get(*self.site_of.get(&location)?),
            (None, [only]) => Some(only),
            (None, _) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(pk: i64, name: &str, parent: Option<i64>) -> Location {
        Location { pk, name: name.into(), pathstring: format!("{parent:?}/{name}"), parent }
    }

    fn config(sites: &[&str]) -> Config {
        let config = crossdock_sdk::serde_json::json!({"company": "ACME", "sites": sites});
        crossdock_sdk::serde_json::from_value(config).unwrap()
    }

    #[test]
    fn a_shelf_is_in_the_site_above_it() {
        let tree = || {
            vec![
                location(1, "East", None),
                location(2, "West", None),
                location(3, "Aisle 4", Some(1)),
                location(4, "Bin 7", Some(3)),
            ]
        };
        let check = |sites: &[&str], at: i64, expect: Option<&str>| {
            let sites = Sites::of(tree(), &config(sites)).unwrap();
            assert_eq!(sites.at(Some(at)).map(|site| site.name.as_str()), expect, "{at}");
        };
        check(&[], 4, Some("East"));
        check(&[], 2, Some("West"));
        check(&["West"], 4, None);
        check(&["Aisle 4", "East"], 4, Some("Aisle 4"));
        check(&["Aisle 4", "East"], 1, Some("East"));
        assert_eq!(Sites::of(tree(), &config(&["Nort"])).err().unwrap().code, "config");
    }
}
