//! What a crash or a loss of power may leave of the log, and what it may not.
#![expect(clippy::unwrap_used, reason = "tests")]

use tempfile::TempDir;

use super::*;

fn progress(round: u64) -> Progress {
    Progress { round, version: Version(round * 10) }
}

fn append(log: &mut Log, round: u64) {
    let mut frame = frame::Writer::round(round, progress(round).version);
    frame.set(b"key", format!("value of {round}").as_bytes());
    log.append(frame, false).unwrap();
}

/// Opens the log behind a round; what it replays and finds.
fn open(directory: &Path, applied: u64) -> Result<(Vec<u64>, Recovered)> {
    let mut rounds = Vec::new();
    let recovered = Log::open(directory, progress(applied), |round| {
        rounds.push(round.progress.round);
        Ok(())
    })?;
    Ok((rounds, recovered))
}

fn rounds(directory: &Path, applied: u64) -> Result<Vec<u64>> {
    open(directory, applied).map(|(rounds, _)| rounds)
}

/// Rounds 1 to 9 in three segments of three, the last one not closed.
fn three_segments() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    Log::prepare(directory.path()).unwrap();
    let mut log = open(directory.path(), 0).unwrap().1.log;
    for round in 1..=9 {
        append(&mut log, round);
        if round == 3 || round == 6 {
            log.rotate(progress(round)).unwrap();
        }
    }
    directory
}

fn segment(directory: &TempDir, number: u64) -> PathBuf {
    segment_path(directory.path(), number)
}

fn cut(path: &Path, bytes: usize) {
    let whole = fs::read(path).unwrap();
    fs::write(path, &whole[..whole.len() - bytes]).unwrap();
}

fn is_refused(directory: &TempDir, applied: u64) -> bool {
    matches!(rounds(directory.path(), applied), Err(Error::Corrupt(_)))
}

#[test]
fn what_was_appended_is_read_and_the_log_goes_on_behind_it() {
    let directory = three_segments();
    assert_eq!(rounds(directory.path(), 4).unwrap(), [5, 6, 7, 8, 9]);
    let (_, mut recovered) = open(directory.path(), 0).unwrap();
    assert_eq!(recovered.earlier, [segment(&directory, 1), segment(&directory, 2)]);
    append(&mut recovered.log, 10);
    assert_eq!(rounds(directory.path(), 8).unwrap(), [9, 10]);
}

#[test]
fn a_torn_seal_takes_nothing_with_it() {
    let seal = frame::Writer::seal(0).len();
    for torn in 1..=seal {
        let directory = three_segments();
        cut(&segment(&directory, 1), torn);
        assert_eq!(rounds(directory.path(), 0).unwrap(), (1..=9).collect::<Vec<_>>(), "{torn} bytes");
    }
    let directory = three_segments();
    cut(&segment(&directory, 1), seal + 1);
    assert!(is_refused(&directory, 0), "the last commit before the seal is torn");
}

#[test]
fn damage_with_commits_of_the_same_segment_behind_it_is_an_error() {
    for number in [1, 3] {
        let directory = three_segments();
        let path = segment(&directory, number);
        let mut bytes = fs::read(&path).unwrap();
        bytes[HEADER + 20] ^= 1;
        fs::write(&path, bytes).unwrap();
        assert!(is_refused(&directory, 0), "segment {number}");
    }
}

#[test]
fn a_segment_that_was_begun_and_not_gone_on_in_is_removed() {
    let directory = three_segments();
    let mut log = open(directory.path(), 0).unwrap().1.log;
    drop(Log::create(directory.path(), 4, progress(9)).unwrap());
    append(&mut log, 10);
    append(&mut log, 11);
    let (read, mut recovered) = open(directory.path(), 0).unwrap();
    assert_eq!(read, (1..=11).collect::<Vec<_>>());
    assert!(!segment(&directory, 4).exists());
    append(&mut recovered.log, 12);
    assert_eq!(recovered.log.rotate(progress(12)).unwrap(), segment(&directory, 3));
    assert_eq!(rounds(directory.path(), 0).unwrap(), (1..=12).collect::<Vec<_>>());
}

#[test]
fn a_segment_is_gone_on_in_if_the_crash_came_before_the_seal() {
    let directory = three_segments();
    drop(Log::create(directory.path(), 4, progress(9)).unwrap());
    let (read, mut recovered) = open(directory.path(), 0).unwrap();
    assert_eq!(read, (1..=9).collect::<Vec<_>>());
    append(&mut recovered.log, 10);
    assert_eq!(rounds(directory.path(), 0).unwrap(), (1..=10).collect::<Vec<_>>());
    assert!(fs::metadata(segment(&directory, 4)).unwrap().len() > HEADER as u64);
}

#[test]
fn segments_whose_removal_was_undone_in_part_are_removed_again() {
    let directory = three_segments();
    fs::remove_file(segment(&directory, 2)).unwrap();
    let (read, recovered) = open(directory.path(), 6).unwrap();
    assert_eq!((read, recovered.earlier), (vec![7, 8, 9], vec![segment(&directory, 1)]));
    assert!(is_refused(&directory, 5), "round 6 was in the segment that is gone");
}

#[test]
fn a_log_that_is_gone_is_never_taken_for_a_new_one() {
    let directory = tempfile::tempdir().unwrap();
    assert!(is_refused(&directory, 0));
    Log::prepare(directory.path()).unwrap();
    Log::prepare(directory.path()).unwrap();
    assert!(rounds(directory.path(), 0).unwrap().is_empty());
}

#[test]
fn without_its_last_segment_the_log_is_refused() {
    let directory = three_segments();
    fs::remove_file(segment(&directory, 3)).unwrap();
    assert!(is_refused(&directory, 0));
}

#[test]
fn what_comes_after_a_close_stands_in_its_place() {
    let directory = three_segments();
    let path = segment(&directory, 3);
    open(directory.path(), 0).unwrap().1.log.close(9).unwrap();
    let closed = fs::metadata(&path).unwrap().len();
    for _ in 0..3 {
        // Its mark may never have reached the disk: then a loss of power leaves zeros there.
        let mut log = open(directory.path(), 0).unwrap().1.log;
        assert_eq!(log.length + frame::Writer::close(9).len() as u64, closed);
        log.close(9).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), closed);
    }
    let mut log = open(directory.path(), 0).unwrap().1.log;
    append(&mut log, 10);
    append(&mut log, 11);
    assert_eq!(rounds(directory.path(), 0).unwrap(), (1..=11).collect::<Vec<_>>());
    assert!(frame::Writer::close(9).len() <= frame::Writer::round(10, Version(100)).len(), "no end of it stays behind");
}

#[cfg(unix)]
#[test]
fn a_log_that_was_not_closed_is_written_anew() {
    use std::os::unix::fs::MetadataExt;

    let directory = three_segments();
    let inode = |number| fs::metadata(segment(&directory, number)).unwrap().ino();
    let (first, last) = (inode(1), inode(3));
    let (_, mut recovered) = open(directory.path(), 0).unwrap();
    assert_ne!(inode(3), last, "a system that failed to write it may have dropped it");
    recovered.log.close(9).unwrap();
    let last = inode(3);
    assert_eq!(rounds(directory.path(), 0).unwrap(), (1..=9).collect::<Vec<_>>());
    assert_eq!((inode(1), inode(3)), (first, last), "all of it was synced");
}
