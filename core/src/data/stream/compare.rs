//! Two streams side by side: what they share is equal without a look.

use std::ops::ControlFlow;

use triomphe::Arc;

use super::small::Small;
use super::{Body, Stream};
use crate::data::chunk::Chunk;
use crate::error::Result;

/// Read at a time of streams that are compared byte by byte.
const COMPARED_BYTES: usize = 1 << 20;

/// What one stream stores of a chunk's bytes.
#[derive(Clone, Copy)]
enum Stored<'a> {
    Hole,
    Small(&'a Small),
    Chunk(&'a Chunk),
}

impl Stored<'_> {
    fn of(chunk: Option<&Chunk>) -> Stored<'_> {
        chunk.map_or(Stored::Hole, Stored::Chunk)
    }

    /// Calls `with` with the bytes up to which all the rest is zero.
    fn with_bytes<T>(self, with: impl FnOnce(&[u8]) -> T) -> Result<T> {
        Ok(match self {
            Stored::Hole => with(&[]),
            Stored::Small(small) => small.with_bytes(with)?,
            Stored::Chunk(chunk) => with(&chunk.read()?[..]),
        })
    }
}

impl Stream {
    /// Whether both are the same in memory: equal without a look. `false` says nothing.
    pub(crate) fn same(&self, other: &Self) -> bool {
        self.size == other.size
            && match (&self.body, &other.body) {
                (Body::Hole, Body::Hole) => true,
                (Body::Small(a), Body::Small(b)) => a.same(b),
                (Body::Chunks(a), Body::Chunks(b)) => a.same(b),
                (Body::Over(a), Body::Over(b)) => Arc::ptr_eq(a, b) || a.same(b),
                _ => false,
            }
    }

    /// Whether both hold the same bytes. Compares only what is not shared.
    pub(crate) fn equal(&self, other: &Self) -> Result<bool> {
        if self.size != other.size {
            return Ok(false);
        }
        if self.is_over_base() || other.is_over_base() {
            return self.equal_over(other);
        }
        let answer = self.unshared(other, &mut |_, a, b| match equal_bytes(a, b) {
            Ok(true) => ControlFlow::Continue(()),
            Ok(false) => ControlFlow::Break(Ok(())),
            Err(error) => ControlFlow::Break(Err(error)),
        });
        match answer {
            ControlFlow::Continue(()) => Ok(true),
            ControlFlow::Break(Ok(())) => Ok(false),
            ControlFlow::Break(Err(error)) => Err(error),
        }
    }

    /// Where one of them lies over the base: what both store or the base has for both need not be read.
    fn equal_over(&self, other: &Self) -> Result<bool> {
        if let (Body::Over(a), Body::Over(b)) = (&self.body, &other.body)
            && let Some(equal) = a.equal(b, self.size)?
        {
            return Ok(equal);
        }
        let mut pieces = [vec![0; COMPARED_BYTES], vec![0; COMPARED_BYTES]];
        let mut at = 0;
        while at < self.size {
            let [a, b] = &mut pieces;
            let length = self.read(at, a)?;
            other.read(at, b)?;
            if a[..length] != b[..length] {
                return Ok(false);
            }
            at += length as u64;
        }
        Ok(true)
    }

    /// Visits the chunks of which both store something, but not the same.
    fn unshared<B>(
        &self,
        other: &Self,
        visit: &mut dyn FnMut(u64, Stored<'_>, Stored<'_>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        match (&self.body, &other.body) {
            (Body::Chunks(a), Body::Chunks(b)) => {
                a.diff_from(b, 0, Chunk::same, |index, a, b| visit(index, Stored::of(a), Stored::of(b)))
            }
            (Body::Chunks(chunks), small) => {
                let first = chunks.get(0).is_none().then_some((0, Stored::Hole));
                let stored = chunks.iter().map(|(index, chunk)| (index, Stored::Chunk(chunk)));
                let mut both = first.into_iter().chain(stored);
                both.try_for_each(|(index, stored)| visit(index, stored, short(small, index)))
            }
            (_, Body::Chunks(_)) => other.unshared(self, &mut |index, a, b| visit(index, b, a)),
            (Body::Hole, Body::Hole) => ControlFlow::Continue(()),
            (Body::Small(a), Body::Small(b)) if a.same(b) => ControlFlow::Continue(()),
            (a, b) => visit(0, short(a, 0), short(b, 0)),
        }
    }
}

fn short(body: &Body, index: u64) -> Stored<'_> {
    match body {
        Body::Small(small) if index == 0 => Stored::Small(small),
        Body::Small(_) | Body::Hole | Body::Chunks(_) | Body::Over(_) => Stored::Hole,
    }
}

fn equal_bytes(a: Stored<'_>, b: Stored<'_>) -> Result<bool> {
    a.with_bytes(|a| {
        b.with_bytes(|b| {
            let common = a.len().min(b.len());
            a[..common] == b[..common] && is_zero(&a[common..]) && is_zero(&b[common..])
        })
    })?
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == 0)
}
