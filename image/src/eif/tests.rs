//! Images written and read back; each rule of the reader broken once.

use super::*;
use proptest::prelude::*;

fn sample() -> Eif {
    Eif {
        kernel: b"kernel".to_vec(),
        cmdline: b"a=b".to_vec(),
        metadata: b"{}".to_vec(),
        ramdisks: vec![b"boot".to_vec(), b"app".to_vec()],
    }
}

/// Writes the checksum anew, so that the rule behind it is met.
fn resealed(mut file: Vec<u8>) -> Vec<u8> {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&file[..CRC_AT]);
    crc.update(&file[HEADER_BYTES..]);
    file[CRC_AT..HEADER_BYTES].copy_from_slice(&crc.finalize().to_be_bytes());
    file
}

fn changed(at: usize, to: u8) -> Result<Eif, Error> {
    let mut file = write(&sample()).unwrap();
    assert_ne!(file[at], to);
    file[at] = to;
    read(&resealed(file))
}

/// The bytes depend on nothing but the parts; `make reproduce` shows the same of the parts.
#[test]
fn p12_an_image_follows_from_its_parts_alone() {
    let first = write(&sample()).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert_eq!(write(&sample()).unwrap(), first);
    assert_eq!(write(&read(&first).unwrap()).unwrap(), first);
}

#[test]
fn what_is_written_is_read() {
    assert_eq!(read(&write(&sample()).unwrap()), Ok(sample()));
}

/// Offsets of the format's description; `make eif-check` has AWS's own library read a whole image.
#[test]
fn the_header_stands_where_the_format_says() {
    let file = write(&sample()).unwrap();
    assert_eq!(&file[..8], b".eif\0\x04\0\0");
    assert_eq!(&file[24..28], [0, 0, 0, 5]);
    let offset = u64::from_be_bytes(file[28..36].try_into().unwrap());
    assert_eq!(offset, 548);
    let size = u64::from_be_bytes(file[28 + 256..28 + 264].try_into().unwrap());
    assert_eq!(size, 6);
    assert_eq!(&file[548..560], [0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6]);
}

#[test]
fn one_ramdisk_makes_pcr2_the_known_constant() {
    let mut eif = sample();
    eif.ramdisks.truncate(1);
    let measured = measure(&eif);
    assert_eq!(measured.pcr0, measured.pcr1);
    // The value that every image with one ramdisk shows (peers of the format document it).
    let known = "21b9efbc184807662e966d34f390821309eeac6802309798826296bf3e8bec7c10edb30948c90ba67310f7b964fc500a";
    assert_eq!(hex::encode(measured.pcr2.0), known);
}

#[test]
fn bytes_that_move_between_parts_change_pcr1_or_pcr2() {
    let own = measure(&sample());
    let mut moved = sample();
    moved.ramdisks = vec![b"boota".to_vec(), b"pp".to_vec()];
    let other = measure(&moved);
    assert_eq!(own.pcr0, other.pcr0);
    assert_ne!((own.pcr1, own.pcr2), (other.pcr1, other.pcr2));
}

#[test]
fn every_changed_byte_is_noticed() {
    let file = write(&sample()).unwrap();
    for at in 0..file.len() {
        let mut file = file.clone();
        file[at] ^= 1;
        assert!(read(&file).is_err(), "byte {at}");
    }
}

#[test]
fn a_header_that_does_not_fit_is_refused_though_the_checksum_does() {
    assert_eq!(changed(0, b'x'), Err(Error::Magic));
    assert_eq!(changed(5, 3), Err(Error::Version(3)));
    for at in [7, 15, 23, 25, 27, 35, 283 + 8, 543] {
        assert!(matches!(changed(at, 9), Err(Error::Shape(_))), "byte {at}");
    }
    // The first section: its type, flags, size.
    for at in [549, 551, 559] {
        assert!(matches!(changed(at, 9), Err(Error::Shape(_))), "byte {at}");
    }
}

#[test]
fn a_cut_or_longer_file_is_refused() {
    let file = write(&sample()).unwrap();
    for length in [0, 3, HEADER_BYTES - 1] {
        assert_eq!(read(&file[..length]), Err(Error::Magic));
    }
    let cut = resealed(file[..file.len() - 1].to_vec());
    assert!(matches!(read(&cut), Err(Error::Shape(_))));
    let longer = resealed([file, vec![0]].concat());
    assert!(matches!(read(&longer), Err(Error::Shape(_))));
}

#[test]
fn sections_are_not_empty_and_at_most_32() {
    let mut eif = sample();
    eif.ramdisks = vec![vec![1]; 29];
    read(&write(&eif).unwrap()).unwrap();
    eif.ramdisks.push(vec![1]);
    assert_eq!(write(&eif), Err(Error::TooLarge("the number of sections")));
    eif.ramdisks.clear();
    write(&eif).unwrap_err();
    let mut eif = sample();
    eif.cmdline.clear();
    write(&eif).unwrap_err();
}

proptest! {
    #[test]
    fn any_bytes_end_in_an_answer(file in proptest::collection::vec(any::<u8>(), 0..800)) {
        let _ = read(&file);
    }

    #[test]
    fn any_parts_come_back(
        parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 4..9),
    ) {
        let mut parts = parts.into_iter();
        let mut next = || parts.next().unwrap();
        let eif = Eif { kernel: next(), cmdline: next(), metadata: next(), ramdisks: parts.collect() };
        prop_assert_eq!(read(&write(&eif).unwrap()), Ok(eif));
    }
}
