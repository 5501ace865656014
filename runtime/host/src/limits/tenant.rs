//! On whose behalf a budget is asked: the route, and how much it counts beside others.

use std::sync::Arc;

use route::Priority;

tokio::task_local! {
    /// The route on whose behalf a connector is called.
    pub static TENANT: Tenant;
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    pub name: Arc<str>,
    pub priority: Priority,
}

impl Tenant {
    pub fn of(plan: &route::Plan) -> Tenant {
        Tenant { name: plan.name.as_str().into(), priority: plan.priority }
    }

    /// Of the call under way; nobody's outside of one.
    pub fn present() -> Tenant {
        TENANT.try_with(Clone::clone).unwrap_or_else(|_| Tenant::named("", Priority::Normal))
    }

    pub fn named(name: &str, priority: Priority) -> Tenant {
        Tenant { name: name.into(), priority }
    }

    pub(super) fn weight(&self) -> u32 {
        self.priority.weight()
    }
}
