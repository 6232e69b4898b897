use super::places::Moves;
use super::*;

fn moved(kind: EventKind, inode: u64, parent: u64, name: &[u8]) -> Event {
    Event { parent: InodeId(parent), name: name.into(), ..Event::of(kind, InodeId(inode)) }
}

#[test]
fn the_first_move_after_an_event_says_where_something_was() {
    let mut moves = Moves::default();
    moves.note(3, &moved(EventKind::Renamed, 7, 1, b"a"));
    moves.note(5, &moved(EventKind::Renamed, 7, 1, b"b"));
    moves.note(6, &moved(EventKind::Created, 7, 1, b"link"));
    let was = |number| moves.first_after(InodeId(7), number).map(|(_, name)| name.to_vec());
    assert_eq!((was(2), was(3), was(4), was(5)), (Some(b"a".into()), Some(b"b".into()), Some(b"b".into()), None));
    assert_eq!(moves.first_after(InodeId(8), 0), None);
    moves.forget_before(3);
    assert_eq!(moves.len(), 1);
}

#[test]
fn an_exchange_moves_both() {
    let mut moves = Moves::default();
    let event = Event {
        other: InodeId(8),
        new_parent: InodeId(2),
        new_name: b"b"[..].into(),
        ..moved(EventKind::Exchanged, 7, 1, b"a")
    };
    moves.note(1, &event);
    assert_eq!(moves.first_after(InodeId(7), 0), Some((InodeId(1), b"a"[..].into())));
    assert_eq!(moves.first_after(InodeId(8), 0), Some((InodeId(2), b"b"[..].into())));
}

#[test]
fn the_bits_are_those_of_file_notify_change() {
    let bits = [
        (Changes::FILE_NAME, 0x1),
        (Changes::DIRECTORY_NAME, 0x2),
        (Changes::ATTRIBUTES, 0x4),
        (Changes::SIZE, 0x8),
        (Changes::LAST_WRITE, 0x10),
        (Changes::LAST_ACCESS, 0x20),
        (Changes::CREATION, 0x40),
        (Changes::EXTENDED_ATTRIBUTES, 0x80),
        (Changes::SECURITY, 0x100),
        (Changes::STREAM_NAME, 0x200),
        (Changes::STREAM_SIZE, 0x400),
        (Changes::STREAM_WRITE, 0x800),
    ];
    for (changes, bit) in bits {
        assert_eq!(changes.0, bit);
    }
}
