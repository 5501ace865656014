//! `exceptions edit`: the message in an editor, back only if it was changed, and refused with pointers
//! if it breaks its contract. Masked fields may stay masked: they are as they were.

use std::io::Read;
use std::path::Path;

use serde_json::{Value, json};

use super::{Word, send};
use crate::cli::client::{Admin, escape};
use crate::cli::{Failure, person};

pub(super) async fn run(
    admin: &Admin,
    json: bool,
    exchange: &str,
    file: Option<&Path>,
    word: &Word,
) -> Result<(), Failure> {
    if word.why.trim().is_empty() {
        return Err(Failure::failed("say --why: it is what the audit trail will hold"));
    }
    let found = admin.get(&format!("/v1/exceptions/{}", escape(exchange))).await?;
    let before = &found["document"]["message"];
    let message = match file {
        Some(file) => read(file)?,
        None => edited(exchange, before)?,
    };
    if message == *before {
        say!("{exchange}: the message is as it was; nothing was done");
        return Ok(());
    }
    let by = person(word.by.as_deref());
    let revision = &found["revision"];
    let body = json!({ "message": message, "revision": revision, "by": by, "why": word.why });
    send(admin, json, exchange, "edit", &body).await
}

/// JSON from a file, or from standard input for `-`.
pub(super) fn read(file: &Path) -> Result<Value, Failure> {
    let text = match file.to_str() {
        Some("-") => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).map(|_| text)
        }
        _ => std::fs::read_to_string(file),
    };
    let shown = file.display();
    let text = text.map_err(|error| Failure::surroundings(format!("{shown}: {error}")))?;
    serde_json::from_str(&text)
        .map_err(|error| Failure::files(format!("{shown} is no JSON: {error}")))
}

fn edited(exchange: &str, before: &Value) -> Result<Value, Failure> {
    let editor = ["VISUAL", "EDITOR"].iter().find_map(|name| std::env::var(name).ok());
    let Some(editor) = editor.filter(|editor| !editor.trim().is_empty()) else {
        let text = "no editor is known\n  help: set EDITOR, or give the message with --file";
        return Err(Failure::surroundings(text));
    };
    // In a folder of its own that nobody else can read: it holds a document.
    let folder = std::env::temp_dir().join(format!("crossdock-{exchange}-{}", std::process::id()));
    let file = folder.join("message.json");
    let made =
        private_folder(&folder).and_then(|()| std::fs::write(&file, format!("{before:#}\n")));
    let outcome =
        made.map_err(|error| Failure::surroundings(format!("{}: {error}", file.display())));
    let outcome = outcome.and_then(|()| {
        // As git does it: the variable may hold arguments.
        let command = format!("{editor} \"$1\"");
        let status = std::process::Command::new("sh")
            .args(["-c", &command, "sh"])
            .arg(&file)
            .status()
            .map_err(|error| Failure::surroundings(format!("{editor}: {error}")))?;
        match status.success() {
            true => read(&file),
            false => Err(Failure::failed(format!("{editor} gave up; nothing was done"))),
        }
    });
    let _ = std::fs::remove_dir_all(&folder);
    outcome
}

fn private_folder(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().mode(0o700).create(folder)
}
