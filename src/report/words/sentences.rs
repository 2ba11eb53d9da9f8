//! Sentences that other layers write in English, in Indonesian. `{}` stands for what differs; it is carried over in its order.
//!
//! A sentence that is not here stays English: it is never lost and never guessed.

use std::borrow::Cow;

use super::{Lang, Words};

/// English, Indonesian.
#[rustfmt::skip]
const SENTENCES: &[(&str, &str)] = &[
    ("No packet was read.", "Tidak ada paket yang terbaca."),
    ("fewer than two packets in this phase", "kurang dari dua paket dalam fase ini"),
    ("the phase has no time in this capture", "fase ini tidak mempunyai waktu dalam rekaman ini"),
    ("echo requests without a reply at this point: the loss of both directions together", "permintaan echo tanpa balasan di titik ini: kehilangan kedua arah bersama-sama"),
    ("segments sent again over segments: a sender that repeats without need makes it too high", "segmen yang dikirim ulang dibagi segmen: pengirim yang mengulang tanpa perlu membuatnya terlalu tinggi"),
    ("not recovered by the end of the capture: {} requests went unanswered", "belum pulih saat rekaman berakhir: {} permintaan tidak terjawab"),
    ("not recovered by the end of the capture: {} requests in {} went unanswered", "belum pulih saat rekaman berakhir: {} permintaan dalam {} tidak terjawab"),
    ("{} requests in it", "{} permintaan di dalamnya"),
    ("the client itself sent nothing", "klien sendiri tidak mengirim apa pun"),
    ("the destination said on the return path that it has finished", "tujuan menyatakan selesai lewat jalur balik (return path)"),
    ("the source closed the connection before the stream's end", "asal menutup koneksi sebelum akhir aliran"),
    ("the stream was sent to its end", "aliran terkirim sampai akhir"),
    ("there is no return path on which the destination would say that it took over", "tidak ada jalur balik (return path) tempat tujuan menyatakan telah mengambil alih"),
    ("first RARP of the VM", "RARP pertama VM"),
    ("first byte of the switch-over: the guest is stopped", "byte pertama peralihan: tamu sudah dihentikan"),
    ("first packet of the VM at the client after the pause", "paket pertama VM di klien setelah jeda"),
    ("last byte of the stream", "byte terakhir aliran"),
    ("last frame that the VM sent on the source", "frame terakhir yang dikirim VM di asal"),
    ("last packet of the VM at the client", "paket terakhir VM di klien"),
    ("last pre-copy segment that left after a rest", "segmen pre-copy terakhir yang keluar setelah jeda"),
    ("It is encrypted (TLS): requests and media times cannot be read, only pauses of the download are told.", "Terenkripsi (TLS): permintaan dan waktu media tidak dapat dibaca, hanya jeda unduhan yang dapat diketahui."),
    ("announced itself at the end of the migration", "mengumumkan diri pada akhir migrasi"),
    ("fewer than two delays in this phase", "kurang dari dua delay dalam fase ini"),
    ("no packet allowed a measurement in this phase", "tidak ada paket yang dapat diukur dalam fase ini"),
    ("no pause to relate it to: no migration was completed in this capture", "tidak ada jeda untuk dikaitkan: tidak ada migrasi yang selesai dalam rekaman ini"),
    ("round trip in place of the one-way delay: the clocks are known to ± {} ms only, more than the one-way delay of {} ms", "bolak-balik sebagai ganti delay satu arah: jam hanya diketahui sampai ± {} ms, lebih besar daripada delay satu arah {} ms"),
    ("the VM's announcement was not captured on the destination: the end of the pause is seen late by its way through the network", "pengumuman VM tidak terekam di tujuan: akhir jeda terlihat terlambat sebesar perjalanannya lewat jaringan"),
    ("the capture was cut by its snap length: not every record could be read", "rekaman terpotong oleh snaplen: tidak setiap catatan dapat dibaca"),
    ("the first unanswered request came {} ms after the VM's last packet", "permintaan pertama yang tidak terjawab datang {} ms setelah paket terakhir VM"),
    ("nothing was asked of the VM for {} ms after the pause: the network may have been back by then", "selama {} ms setelah jeda tidak ada permintaan kepada VM: jaringan mungkin sudah pulih saat itu"),
    ("it came {} ms after the VM's first RARP", "datangnya {} ms setelah RARP pertama VM"),
    ("the VM answered {} ms after its first RARP", "VM menjawab {} ms setelah RARP pertamanya"),
    ("the migration was cancelled: the guest stayed on the source", "migrasi dibatalkan: tamu tetap di asal"),
    ("the one server that the captures of a node and of the client have in common", "satu-satunya server yang ada dalam rekaman node dan rekaman klien"),
    ("the stop of the guest is not known", "saat tamu berhenti tidak diketahui"),
    ("{}: the capture holds no frame", "{}: rekaman tidak berisi frame"),
    ("A segment can be played when its last byte has come, not before.", "Segmen dapat diputar setelah byte terakhirnya tiba, tidak sebelumnya."),
    ("An encrypted download of {} bytes or more from one host is taken for video.", "Unduhan terenkripsi {} byte atau lebih dari satu host dianggap video."),
    ("The bytes of the file hold its media evenly: constant bit rate.", "Byte berkas memuat medianya secara merata: laju bit tetap."),
    ("The player starts with {} s of media buffered and goes on after a stall with {} s; it plays at normal speed, without pause or seek.", "Pemutar mulai dengan {} s media tersimpan dan melanjutkan setelah macet dengan {} s; ia memutar pada kecepatan normal, tanpa jeda atau lompatan."),
    ("The viewer still waited for media when the capture ended: a download had not ended.", "Penonton masih menunggu media saat rekaman berakhir: sebuah unduhan belum selesai."),
    ("The viewer still waited for media when the capture ended: the server never came back.", "Penonton masih menunggu media saat rekaman berakhir: server tidak pernah kembali."),
    ("The viewer wanted nothing beyond what was fetched: the model ends with the media that came.", "Penonton tidak menginginkan lebih dari yang diambil: model berakhir bersama media yang tiba."),
    ("one point alone cannot tell loss of this protocol", "satu titik saja tidak dapat menentukan kehilangan pada protokol ini"),
];

impl Words {
    /// `text`, a sentence of another layer, in this language where it is known.
    pub fn sentence(self, text: &str) -> Cow<'_, str> {
        if self.lang() == Lang::En {
            return Cow::Borrowed(text);
        }
        if let Some(found) = translated(text) {
            return Cow::Owned(found);
        }
        // Layers join what they have to say with semicolons: each part for itself, if any of them is known.
        let parts: Vec<(&str, Option<String>)> = text.split("; ").map(|part| (part, translated(part))).collect();
        if parts.len() < 2 || parts.iter().all(|(_, found)| found.is_none()) {
            return Cow::Borrowed(text);
        }
        let parts: Vec<String> = parts.into_iter().map(|(part, found)| found.unwrap_or_else(|| part.to_owned())).collect();
        Cow::Owned(parts.join("; "))
    }
}

fn translated(text: &str) -> Option<String> {
    SENTENCES.iter().find_map(|(en, id)| Some(put(id, &holes(en, text)?.into_iter().map(number).collect::<Vec<_>>())))
}

/// A number of a sentence in the Indonesian form: a point between digits becomes a comma. Anything else stays as it is.
fn number(text: &str) -> Cow<'_, str> {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let (value, unit) = text.split_once(' ').unwrap_or((text, ""));
    match value.split_once('.') {
        Some((whole, fraction)) if digits(whole) && digits(fraction) && (unit.is_empty() || unit.len() <= 2) => {
            Cow::Owned(text.replacen('.', ",", 1))
        }
        _ => Cow::Borrowed(text),
    }
}

/// What stands in `text` at the holes of `pattern`; `None` if it is another sentence. Each hole ends at the first place where what
/// follows it fits.
fn holes<'a>(pattern: &str, text: &'a str) -> Option<Vec<&'a str>> {
    let mut parts = pattern.split("{}");
    let mut rest = text.strip_prefix(parts.next()?)?;
    let mut holes = Vec::new();
    let parts: Vec<&str> = parts.collect();
    for (i, part) in parts.iter().enumerate() {
        let end = if i + 1 == parts.len() {
            // The last piece must end the sentence.
            if part.is_empty() { rest.len() } else { rest.len().checked_sub(part.len()).filter(|_| rest.ends_with(part))? }
        } else {
            rest.find(part)?
        };
        holes.push(&rest[..end]);
        rest = &rest[end + part.len()..];
    }
    rest.is_empty().then_some(holes)
}

fn put(pattern: &str, holes: &[Cow<'_, str>]) -> String {
    let mut out = String::with_capacity(pattern.len() + 32);
    let mut holes = holes.iter();
    for (i, part) in pattern.split("{}").enumerate() {
        if i > 0 {
            out.push_str(holes.next().map_or("", |hole| hole));
        }
        out.push_str(part);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_keep_what_stands_in_their_holes() {
        assert_eq!(holes("only {} packets at {}.", "only 3 packets at a.b."), Some(vec!["3", "a.b"]));
        assert_eq!(holes("only {} packets", "only 3 frames"), None);
        assert_eq!(holes("{}", ""), Some(vec![""]));
        assert_eq!(holes("same", "same!"), None);
        assert_eq!(put("di {}: {} paket", &["a".into(), "3".into()]), "di a: 3 paket");
    }

    #[test]
    fn both_languages_have_the_same_holes() {
        for (en, id) in SENTENCES {
            assert_eq!(en.matches("{}").count(), id.matches("{}").count(), "{en}");
        }
    }

    #[test]
    fn parts_and_numbers_are_put_into_indonesian() {
        let said = Words::new(Lang::Id).sentence(
            "the first unanswered request came 19.2 ms after the VM's last packet; something new; it came 3 ms after the VM's first RARP",
        );
        let wanted = "permintaan pertama yang tidak terjawab datang 19,2 ms setelah paket terakhir VM; something new; datangnya 3 ms setelah RARP pertama VM";
        assert_eq!(said, wanted);
        let said = Words::new(Lang::Id).sentence("not recovered by the end of the capture: 241 requests in 6.1 s went unanswered");
        assert_eq!(said, "belum pulih saat rekaman berakhir: 241 permintaan dalam 6,1 s tidak terjawab");
        assert_eq!(number("192.0.2.50"), "192.0.2.50");
        assert_eq!(number("a.pcap"), "a.pcap");
    }

    #[test]
    fn unknown_sentences_stay() {
        assert_eq!(Words::new(Lang::Id).sentence("something new"), "something new");
        assert_eq!(Words::new(Lang::Id).sentence("No packet was read."), "Tidak ada paket yang terbaca.");
    }
}
