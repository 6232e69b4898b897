//! Extended attributes as Windows has them: lists of FILE_FULL_EA_INFORMATION (\[MS-FSCC\] 2.4.16) and of
//! FILE_GET_EA_INFORMATION (2.4.16.1), names without case, and what a list does to the attributes that are there.
//!
//! A set is kept in the order its names came, spelled as they came first. The reference: a value of no bytes deletes,
//! names are matched without case, hosts report them in upper case or as they are.

use hashbrown::HashSet;

use super::bytes::{align, part, read_u8, read_u16, read_u32};
use crate::error::{Error, Result};
use crate::ledger::Footprint;
use crate::limits;

/// FILE_NEED_EA: a program that does not understand the attribute must not use the file.
pub(crate) const NEED_EA: u8 = 0x80;

/// Next entry, flags, length of the name, length of the value.
const HEADER_BYTES: usize = 8;
/// Next entry, length of the name.
const NAME_HEADER_BYTES: usize = 5;

/// One attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attribute {
    pub(crate) flags: u8,
    pub(crate) name: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

impl Attribute {
    /// What it takes in a list: the name ends in a NUL there.
    fn list_bytes(&self) -> usize {
        HEADER_BYTES + self.name.len() + 1 + self.value.len()
    }
}

impl Footprint for Attribute {
    fn heap_bytes(&self) -> usize {
        let Attribute { flags: _, name, value } = self;
        name.heap_bytes() + value.heap_bytes()
    }
}

impl Footprint for Attributes {
    fn heap_bytes(&self) -> usize {
        let Attributes { all } = self;
        all.heap_bytes()
    }
}

/// The attributes of a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Attributes {
    all: Vec<Attribute>,
}

impl Attributes {
    /// The set that a stored list describes.
    pub(crate) fn parse(list: &[u8]) -> Result<Attributes> {
        let mut attributes = Attributes::default();
        attributes.apply(list)?;
        Ok(attributes)
    }

    /// Does what a list says, one entry after the other: sets, replaces, and with an empty value deletes. Nothing has
    /// changed when it is refused.
    pub(crate) fn apply(&mut self, list: &[u8]) -> Result<()> {
        let mut changed = self.clone();
        for entry in parse_list(list)? {
            changed.set(entry);
        }
        if changed.list_bytes() > limits::EA_LIST_BYTES {
            return Err(Error::TooManyAttributes);
        }
        *self = changed;
        Ok(())
    }

    fn set(&mut self, entry: Attribute) {
        let index = self.position(&entry.name);
        match index {
            Some(index) if entry.value.is_empty() => drop(self.all.remove(index)),
            Some(index) => {
                self.all[index].flags = entry.flags;
                self.all[index].value = entry.value;
            }
            None if entry.value.is_empty() => {}
            None => self.all.push(entry),
        }
    }

    fn position(&self, name: &[u8]) -> Option<usize> {
        self.all.iter().position(|other| other.name.eq_ignore_ascii_case(name))
    }

    pub(crate) fn get(&self, name: &[u8]) -> Option<&Attribute> {
        self.position(name).map(|index| &self.all[index])
    }

    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Attribute> {
        self.all.iter()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The list of all of them.
    pub(crate) fn to_list(&self) -> Vec<u8> {
        serialise(self.all.iter())
    }

    /// The list of those asked for by name, in that order; one that is not there has an empty value
    /// (\[MS-FSA\] 2.1.5.12.10, FileFullEaInformation).
    pub(crate) fn to_list_of(&self, names: &[Vec<u8>]) -> Vec<u8> {
        let missing = |name: &Vec<u8>| Attribute { flags: 0, name: name.clone(), value: Vec::new() };
        let chosen: Vec<Attribute> =
            names.iter().map(|name| self.get(name).cloned().unwrap_or_else(|| missing(name))).collect();
        serialise(chosen.iter())
    }

    /// EaSize as FileEaInformation reports it: each attribute packed as OS/2 did, its header 4 bytes less than in a
    /// list; 0 for none.
    pub(crate) fn reported_bytes(&self) -> u32 {
        self.all.iter().map(|attribute| attribute.list_bytes() - 4).sum::<usize>() as u32
    }

    fn list_bytes(&self) -> usize {
        let Some((last, others)) = self.all.split_last() else {
            return 0;
        };
        others.iter().map(|other| other.list_bytes().next_multiple_of(4)).sum::<usize>() + last.list_bytes()
    }
}

fn serialise<'a>(attributes: impl Iterator<Item = &'a Attribute>) -> Vec<u8> {
    let mut list: Vec<u8> = Vec::new();
    let mut last = None;
    for attribute in attributes {
        align(&mut list);
        if let Some(last) = last.replace(list.len()) {
            let step = (list.len() - last) as u32;
            list[last..last + 4].copy_from_slice(&step.to_le_bytes());
        }
        list.extend_from_slice(&[0, 0, 0, 0, attribute.flags, attribute.name.len() as u8]);
        list.extend_from_slice(&(attribute.value.len() as u16).to_le_bytes());
        list.extend_from_slice(&attribute.name);
        list.push(0);
        list.extend_from_slice(&attribute.value);
    }
    list
}

/// The entries of a list, in order; names may come twice, values may be empty.
pub(crate) fn parse_list(list: &[u8]) -> Result<Vec<Attribute>> {
    if list.len() > limits::EA_LIST_BYTES {
        return Err(Error::TooManyAttributes);
    }
    let mut entries = Vec::new();
    for_each_entry(list, |entry| {
        let (attribute, length) = parse_entry(entry).ok_or(Error::BadEaList("an entry ends beyond the list"))?;
        check_name(&attribute.name)?;
        if entry.get(HEADER_BYTES + attribute.name.len()) != Some(&0) {
            return Err(Error::BadEaList("a name does not end in NUL"));
        }
        if attribute.flags & !NEED_EA != 0 {
            return Err(Error::BadEaList("an entry has unknown flags"));
        }
        entries.push(attribute);
        Ok(length)
    })?;
    Ok(entries)
}

/// The names of a list of FILE_GET_EA_INFORMATION, each once: an answer is never longer than all there is and all that was asked.
pub(crate) fn parse_names(list: &[u8]) -> Result<Vec<Vec<u8>>> {
    if list.len() > limits::EA_LIST_BYTES {
        return Err(Error::TooManyAttributes);
    }
    let mut names = Vec::new();
    let mut seen = HashSet::new();
    for_each_entry(list, |entry| {
        let length = usize::from(read_u8(entry, 4).ok_or(Error::BadEaList("an entry ends beyond the list"))?);
        let name =
            part(entry, NAME_HEADER_BYTES, length + 1).ok_or(Error::BadEaList("an entry ends beyond the list"))?;
        if name[length] != 0 {
            return Err(Error::BadEaList("a name does not end in NUL"));
        }
        check_name(&name[..length])?;
        if seen.insert(name[..length].to_ascii_uppercase()) {
            names.push(name[..length].to_vec());
        }
        Ok(NAME_HEADER_BYTES + length + 1)
    })?;
    Ok(names)
}

/// Walks a list by its offsets. `visit` is given all from an entry to the list's end, and answers with the entry's length.
fn for_each_entry(list: &[u8], mut visit: impl FnMut(&[u8]) -> Result<usize>) -> Result<()> {
    let mut rest = list;
    while !rest.is_empty() {
        let step = read_u32(rest, 0).ok_or(Error::BadEaList("an entry ends beyond the list"))? as usize;
        let length = visit(rest)?;
        if step == 0 {
            return Ok(());
        }
        if !step.is_multiple_of(4) {
            return Err(Error::BadEaList("an entry does not begin at a multiple of 4"));
        }
        if step < length {
            return Err(Error::BadEaList("entries overlap"));
        }
        rest = rest
            .get(step..)
            .filter(|rest| !rest.is_empty())
            .ok_or(Error::BadEaList("an entry begins beyond the list"))?;
    }
    Ok(())
}

fn parse_entry(entry: &[u8]) -> Option<(Attribute, usize)> {
    let flags = read_u8(entry, 4)?;
    let name_bytes = usize::from(read_u8(entry, 5)?);
    let value_bytes = usize::from(read_u16(entry, 6)?);
    let name = part(entry, HEADER_BYTES, name_bytes)?.to_vec();
    let value = part(entry, HEADER_BYTES + name_bytes + 1, value_bytes)?.to_vec();
    Some((Attribute { flags, name, value }, HEADER_BYTES + name_bytes + 1 + value_bytes))
}

/// \[MS-FSCC\] 2.4.16, EaName: 8-bit characters but for these.
fn check_name(name: &[u8]) -> Result<()> {
    if name.is_empty() {
        return Err(Error::BadEaName("it is empty"));
    }
    match name.iter().find(|&&byte| byte < 0x20 || b"\\/:*?\"<>|,+=[];".contains(&byte)) {
        Some(0..0x20) => Err(Error::BadEaName("it holds control characters")),
        Some(_) => Err(Error::BadEaName("it holds one of \\ / : * ? \" < > | , + = [ ] ;")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
