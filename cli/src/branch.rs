//! `bough branch`.

use bough::control::message;
use bough::control::messages::{fs_control_branch, fs_control_switch};

use crate::args::{BranchVerb, Format};
use crate::errors::{Exit, Result};
use crate::flush::flush;
use crate::home::trials;
use crate::refs::{self, Kind, Subject};
use crate::snapshot::{delete, list, print_created, rename};
use crate::volume::Volume;
use crate::wire::Channel;

pub(crate) fn run(verb: BranchVerb) -> Result<Exit> {
    let mut volume = Volume::here()?;
    match verb {
        BranchVerb::Create { name, from, format } => create(&mut volume, &name, from.as_deref(), &format),
        BranchVerb::List(format) => list(&mut volume, Kind::Branch, &format),
        BranchVerb::Switch { name } => switch(&mut volume, &name),
        BranchVerb::Rename(args) => rename(&mut volume, Kind::Branch, &args),
        BranchVerb::Delete(args) => delete(&mut volume, Kind::Branch, &args),
    }
}

fn create(volume: &mut Volume, name: &str, from: Option<&str>, format: &Format) -> Result<Exit> {
    trials::check_free(name)?;
    let shown = volume.shows();
    let mut branch: fs_control_branch = message();
    branch.name = refs::field(name)?;
    branch.from = refs::field(from.unwrap_or_default())?;
    flush(volume, &[from.unwrap_or(&shown)])?;
    let asked = volume.ask(&mut branch);
    asked.map_err(|failure| refs::explain(volume, &Subject { existing: from.as_slice(), new: Some(name) }, failure))?;
    if format.json {
        return print_created(name, branch.id, Kind::Branch, format);
    }
    Ok(Exit::Done)
}

fn switch(volume: &mut Volume, name: &str) -> Result<Exit> {
    let mut message: fs_control_switch = message();
    message.to = refs::field(name)?;
    let asked = volume.ask(&mut message);
    asked.map_err(|failure| refs::explain(volume, &Subject { existing: &[name], new: None }, failure))?;
    Ok(Exit::Done)
}
