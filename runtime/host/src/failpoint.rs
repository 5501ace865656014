//! Crashes on request, for the tests that prove what a crash leaves behind: the process ends at the
//! named moment as if the power had failed. Only debug builds have it; a release never reads the
//! variable.

/// `CROSSDOCK_FAILPOINT=journal-write:N` ends the process before its N-th transaction reaches the
/// disk, `journal-written:N` when it is there and nobody has been told.
#[cfg(debug_assertions)]
pub const VARIABLE: &str = "CROSSDOCK_FAILPOINT";

#[cfg(not(debug_assertions))]
pub fn journal_options() -> Result<journal::Options, String> {
    Ok(journal::Options::default())
}

/// The journal as it is opened; with the failpoint that the environment asks for.
#[cfg(debug_assertions)]
pub fn journal_options() -> Result<journal::Options, String> {
    match std::env::var(VARIABLE) {
        Ok(text) => parse(&text),
        Err(_) => Ok(journal::Options::default()),
    }
}

#[cfg(debug_assertions)]
fn parse(text: &str) -> Result<journal::Options, String> {
    let wrong = || {
        format!(
            "{VARIABLE}=\"{text}\" is no failpoint\n  help: journal-write:N or journal-written:N, N from 1"
        )
    };
    let (point, number) = text.split_once(':').ok_or_else(wrong)?;
    let number: u64 = number.parse().ok().filter(|number| *number > 0).ok_or_else(wrong)?;
    let crash: journal::Fault = std::sync::Arc::new(move |before| {
        if before + 1 == number {
            // Not `exit`: nothing may be closed in order.
            std::process::abort();
        }
        Ok(())
    });
    let options = journal::Options::default();
    match point {
        "journal-write" => Ok(journal::Options { fault: Some(crash), ..options }),
        "journal-written" => Ok(journal::Options { fault_after: Some(crash), ..options }),
        _ => Err(wrong()),
    }
}

#[cfg(all(test, debug_assertions))]
mod tests {
    use super::*;

    #[test]
    fn a_failpoint_is_a_moment_and_a_number() {
        assert!(parse("journal-write:3").unwrap().fault.is_some());
        assert!(parse("journal-written:1").unwrap().fault_after.is_some());
        for wrong in ["", "journal-write", "journal-write:0", "journal-write:x", "else:1"] {
            assert!(parse(wrong).err().unwrap().contains("help: "), "{wrong}");
        }
    }
}
