//! `colossus cleanup plan|apply`: what is held and not owed, and letting go of it.

use std::io::{self, BufRead, IsTerminal, Write};

use anyhow::bail;
use clap::Subcommand;
use shared::{
    cli::{self, Settings, admin::Admin, text},
    config::ByteSize,
    ids::ObjectId,
    supervise::Exit,
};

use crate::{
    cleanup::{
        core::Outcome,
        plan::{Decision, Line, Page},
    },
    config::Config,
    http::cleanup::{APPLY_MAX, Applied},
};

/// `cleanup …`
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum CleanupCommand {
    /// Shows what would be removed and why, and what is kept although it is not owed and why.
    /// Changes nothing.
    Plan {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Removes what the plan says, after showing it and asking. Every rule is checked again for each
    /// object.
    Apply {
        /// Without asking.
        #[arg(long)]
        yes: bool,
        /// What became of each object as JSON.
        #[arg(long)]
        json: bool,
    },
}

impl CleanupCommand {
    /// Asks the running node.
    pub fn run(self, config: &Config) -> Exit {
        let done = actix::System::new().block_on(async {
            let admin = Admin::of(config.admin.listen)?;
            match self {
                Self::Plan { json } => plan(&admin, json).await,
                Self::Apply { yes, json } => apply(&admin, yes, json).await,
            }
        });
        match done {
            Ok(exit) => exit,
            Err(error) => cli::fail(Config::PROGRAM, Exit::Failed, error.as_ref()),
        }
    }
}

async fn read_plan(admin: &Admin) -> anyhow::Result<Page> {
    let mut plan: Page = admin.get("/cleanup/plan").await?;
    while let Some(after) = plan.next {
        let more: Page = admin.get(&format!("/cleanup/plan?after={after}")).await?;
        plan.lines.extend(more.lines);
        plan.next = more.next;
    }
    Ok(plan)
}

async fn plan(admin: &Admin, json: bool) -> anyhow::Result<Exit> {
    let plan = read_plan(admin).await?;
    let mut out = io::stdout().lock();
    match json {
        true => writeln!(out, "{}", serde_json::to_string_pretty(&plan)?)?,
        false => write!(out, "{}", table(&plan))?,
    }
    Ok(Exit::Stopped)
}

async fn apply(admin: &Admin, yes: bool, json: bool) -> anyhow::Result<Exit> {
    let plan = read_plan(admin).await?;
    let to_go = |line: &&Line| line.decision == Decision::Remove;
    let objects: Vec<ObjectId> = plan.lines.iter().filter(to_go).map(|l| l.object).collect();
    if !json {
        print!("{}", table(&plan));
    }
    if !objects.is_empty() && !yes && !confirmed(objects.len())? {
        println!("nothing was removed");
        return Ok(Exit::Stopped);
    }
    let mut applied: Vec<Applied> = Vec::new();
    for some in objects.chunks(APPLY_MAX) {
        let done: Vec<Applied> = admin.post("/cleanup/apply", &some).await?;
        applied.extend(done);
    }
    if json {
        println!("{}", serde_json::to_string_pretty(&applied)?);
        return Ok(Exit::Stopped);
    }
    let removed = applied
        .iter()
        .filter(|done| done.outcome == Outcome::Removed);
    println!("{} objects removed", removed.count());
    for done in &applied {
        match done.outcome {
            Outcome::Removed => {}
            Outcome::Kept(reason) => println!("{}: kept ({})", done.object, reason.word()),
            Outcome::NotSurplus => println!("{}: owed again, or gone already", done.object),
        }
    }
    Ok(Exit::Stopped)
}

fn confirmed(objects: usize) -> anyhow::Result<bool> {
    if !io::stdin().is_terminal() {
        bail!("nobody can be asked whether {objects} objects may go: give --yes");
    }
    print!("remove {objects} objects? [y/N] ");
    io::stdout().flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// The plan for people.
fn table(plan: &Page) -> String {
    let mut rows = vec![["OBJECT", "SIZE", "PLAN", "REASON", "WHY"].map(str::to_owned)];
    for line in &plan.lines {
        let decision = match line.decision {
            Decision::Remove => "remove",
            Decision::Keep => "keep",
        };
        rows.push([
            line.object.to_string(),
            ByteSize(line.bytes).rounded(),
            decision.to_owned(),
            line.reason.word().to_owned(),
            line.because.clone(),
        ]);
    }
    let mut text = String::new();
    if !plan.lines.is_empty() {
        text += &text::columns(&rows);
    }
    for (decision, word) in [(Decision::Remove, "may go"), (Decision::Keep, "are kept")] {
        let lines = plan.lines.iter().filter(|line| line.decision == decision);
        let (count, bytes) = lines.fold((0, 0), |(n, bytes), line| (n + 1, bytes + line.bytes));
        let bytes = ByteSize(bytes).rounded();
        text += &format!("{count} objects, {bytes}, {word}");
        text += match decision {
            Decision::Remove => "\n",
            Decision::Keep => " although they are not owed\n",
        };
    }
    if plan.automatic {
        text += "the node removes by itself what may go (cleanup.mode is automatic)\n";
    }
    if let Some(why) = &plan.held_back {
        text += &format!("nothing is removed now: {why}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::cleanup::core::Kept;

    #[test]
    fn the_table_shows_what_goes_what_stays_and_why() {
        let line = |id, decision, reason, because: &str| Line {
            object: ObjectId(id),
            bytes: 2048,
            decision,
            reason,
            because: because.into(),
            since_s: 3,
            holders: vec![],
        };
        let plan = Page {
            automatic: false,
            holders_min: 2,
            held_back: Some("it is too early".into()),
            waiting: BTreeMap::new(),
            lines: vec![
                line(7, Decision::Remove, Kept::Approval, "deleted on chain"),
                line(12, Decision::Keep, Kept::Grace, "moved"),
            ],
            next: None,
        };
        let text = table(&plan);
        let expected = "\
OBJECT  SIZE     PLAN    REASON    WHY
7       2.0 KiB  remove  approval  deleted on chain
12      2.0 KiB  keep    grace     moved
1 objects, 2.0 KiB, may go
1 objects, 2.0 KiB, are kept although they are not owed
nothing is removed now: it is too early
";
        assert_eq!(text, expected);
    }
}
