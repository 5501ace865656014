//! `retry` of a call: the name of a policy, or one that stands in the step.

use toml::de::DeValue;

use crate::check::Checker;
use crate::report::code;
use crate::retry::{ATTEMPTS_MAX, INLINE, Jitter, ON_HELP, ON_MAX, Policy, check_on};
use crate::step::suggestion;
use crate::written::{Table, Text};

pub(crate) enum Written {
    Standard,
    Named(Text),
    Inline(Policy),
    /// A report says why.
    Bad,
}

pub(crate) fn read(table: &Table<'_>) -> Written {
    let Some(value) = table.value("retry") else { return Written::Standard };
    if matches!(value.get_ref(), DeValue::String(_)) {
        return table.text("retry").map_or(Written::Bad, Written::Named);
    }
    let Some(inline) = table.table("retry", "`retry`") else { return Written::Bad };
    let before = table.sheet.count();
    let standard = Policy::standard();
    let attempts = inline.integer("attempts", 1..=u64::from(ATTEMPTS_MAX));
    let backoff = inline.duration("backoff");
    let backoff_max = inline.duration("max_backoff");
    let total = inline.duration("total");
    let jitter = jitter(&inline);
    let on = on(&inline);
    inline.finish();
    if table.sheet.count() > before {
        return Written::Bad;
    }
    let backoff_ms = backoff.map_or(standard.backoff_ms, |backoff| backoff.value);
    Written::Inline(Policy {
        name: INLINE.to_owned(),
        attempts: attempts.map_or(standard.attempts, |attempts| attempts.value as u32),
        backoff_ms,
        backoff_ms_max: backoff_max
            .map_or(standard.backoff_ms_max.max(backoff_ms), |max| max.value),
        total_ms: total.map(|total| total.value),
        jitter,
        on,
    })
}

fn jitter(inline: &Table<'_>) -> Jitter {
    let Some(name) = inline.text("jitter") else { return Jitter::default() };
    Jitter::named(&name.value).unwrap_or_else(|| {
        let message = format!("`{}` is no jitter", name.value);
        let otherwise = format!("write one of {}", Jitter::NAMES.join(", "));
        let help = suggestion(&name.value, Jitter::NAMES, &otherwise);
        inline.sheet.error_help(code::BAD_VALUE, name.span(), message, help);
        Jitter::default()
    })
}

fn on(inline: &Table<'_>) -> Option<Vec<String>> {
    let on = inline.texts("on")?;
    for text in &on.value {
        if let Err(message) = check_on(&text.value) {
            inline.sheet.error_help(code::BAD_VALUE, text.span(), message, ON_HELP);
        }
    }
    if on.value.is_empty() {
        let help = "write retry = \"none\" if no fault is worth another attempt";
        inline.sheet.error_help(code::BAD_VALUE, on.span(), "`on` names no fault", help);
    }
    if on.value.len() > ON_MAX {
        let message = format!("`on` names more than {ON_MAX} faults");
        inline.sheet.error(code::TOO_LARGE, on.span(), message);
    }
    Some(on.value.into_iter().map(|text| text.value).collect())
}

pub(crate) fn check(written: &Written, checker: &Checker<'_>) -> Option<Policy> {
    match written {
        Written::Standard => Some(checker.standard_policy()),
        Written::Named(name) => checker.policy(name),
        Written::Inline(policy) => Some(policy.clone()),
        Written::Bad => None,
    }
}
