//! Names of interfaces and types as admins write them: `crossdock:canonical/orders.order@1`.

use std::fmt;
use std::str::FromStr;

/// `namespace:package/interface` with its full semantic version.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InterfaceName {
    /// `namespace:package`, e.g. `crossdock:erp`.
    pub package: String,
    pub interface: String,
    pub version: semver::Version,
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}@{}", self.package, self.interface, self.version)
    }
}

impl InterfaceName {
    /// The name of a type in this interface.
    pub fn type_name(&self, name: &str) -> TypeName {
        TypeName {
            package: self.package.clone(),
            interface: self.interface.clone(),
            name: name.to_owned(),
            major: self.version.major,
        }
    }
}

/// The JSON and CEL form of a WIT name: `unit-price` is `unit_price`.
pub fn snake(kebab: &str) -> String {
    let lower = |c: char| if c == '-' { '_' } else { c.to_ascii_lowercase() };
    kebab.chars().map(lower).collect()
}

/// The name of a type at a major version; also the name of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TypeName {
    /// `namespace:package`, e.g. `crossdock:canonical`.
    pub package: String,
    pub interface: String,
    /// Kebab-case, as in WIT.
    pub name: String,
    pub major: u64,
}

impl fmt::Display for TypeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}.{}@{}", self.package, self.interface, self.name, self.major)
    }
}

impl FromStr for TypeName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || {
            format!(
                "`{text}` is not a type name; write `namespace:package/interface.type@major`, \
                 for example `crossdock:canonical/orders.order@1`"
            )
        };
        let (path, major) = text.rsplit_once('@').ok_or_else(expected)?;
        let (package, rest) = path.split_once('/').ok_or_else(expected)?;
        let (interface, name) = rest.split_once('.').ok_or_else(expected)?;
        let named = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        let (namespace, package_name) = package.split_once(':').ok_or_else(expected)?;
        if ![namespace, package_name, interface, name].into_iter().all(named) {
            return Err(expected());
        }
        Ok(TypeName {
            package: package.to_owned(),
            interface: interface.to_owned(),
            name: name.to_owned(),
            major: major.parse().map_err(|_| expected())?,
        })
    }
}
