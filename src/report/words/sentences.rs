//! Sentences that other layers write in English, in Indonesian. `{}` stands for what differs; it is carried over in its order.
//!
//! A sentence that is not here stays English: it is never lost and never guessed.

use std::borrow::Cow;

use super::{Lang, Words};

/// English, Indonesian.
#[rustfmt::skip]
const SENTENCES: &[(&str, &str)] = &[
    ("Addresses and names are pseudonyms: the same key gives the same ones.", "Alamat dan nama adalah nama samaran: kunci yang sama memberi nama yang sama."),
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
    ("no packet was sent in this direction in this phase", "tidak ada paket yang dikirim ke arah ini dalam fase ini"),
    ("no round trip was completed in this phase, and the clocks are known to ± {} ms only, more than the one-way delay of {} ms", "tidak ada perjalanan bolak-balik yang selesai dalam fase ini, dan jam hanya diketahui sampai ± {} ms, lebih besar daripada delay satu arah {} ms"),
    ("no packet allowed a measurement in this phase", "tidak ada paket yang dapat diukur dalam fase ini"),
    ("no migration stream was captured", "tidak ada aliran migrasi yang terekam"),
    ("no migration stream was captured: that the VM moved is told from its announcement (RARP)", "tidak ada aliran migrasi yang terekam: perpindahan VM diketahui dari pengumumannya (RARP)"),
    ("no migration was captured, and the client never waited longer than {} ms for the VM", "tidak ada migrasi yang terekam, dan klien tidak pernah menunggu VM lebih lama dari {} ms"),
    ("no migration was captured: the longest time in which the client waited for the VM, whatever it came from", "tidak ada migrasi yang terekam: waktu terlama klien menunggu VM, apa pun sebabnya"),
    ("first packet of the VM at the client after the silence", "paket pertama VM di klien setelah keheningan"),
    ("no capture at a client that talked to the VM", "tidak ada rekaman di klien yang berkomunikasi dengan VM"),
    ("the VM's IP address is not known", "alamat IP VM tidak diketahui"),
    ("the VM sent nothing to the client", "VM tidak mengirim apa pun ke klien"),
    ("taken for the pause because it is the longest silence during the migration", "dianggap jeda karena merupakan keheningan terpanjang selama migrasi"),
    ("nothing that was asked of the VM in it had to wait for long", "tidak ada permintaan kepada VM di dalamnya yang harus menunggu lama"),
    ("the client was without packets of the VM for less than {} ms", "klien tidak menerima paket VM selama kurang dari {} ms"),
    ("the VM sent nothing to the client after the pause, and was asked for nothing", "VM tidak mengirim apa pun ke klien setelah jeda, dan tidak diminta apa pun"),
    ("the client's TCP waited for its retransmission timer: it sent again {} ms before the answer", "TCP klien menunggu pewaktu pengiriman ulangnya: ia mengirim ulang {} ms sebelum jawaban"),
    ("ended when the VM's TCP sent again", "berakhir ketika TCP VM mengirim ulang"),
    ("no point holds the end of the migration stream", "tidak ada titik yang memuat akhir aliran migrasi"),
    ("no frame of the VM was captured on the source before the stop", "tidak ada frame VM yang terekam di asal sebelum tamu berhenti"),
    ("no pre-copy byte left the source after a rest: the send buffer may have delayed them", "tidak ada byte pre-copy yang keluar dari asal setelah jeda: mungkin tertahan di buffer kirim"),
    ("from below the stop is bounded by the start of the migration only", "dari bawah, saat berhenti hanya dibatasi oleh awal migrasi"),
    ("the bounds of the stop contradict each other: the clocks are not related as well as they say", "batas saat berhenti saling bertentangan: jam tidak terhubung sebaik yang dinyatakan"),
    ("the first byte of the switch-over was not captured: a later one bounds the stop", "byte pertama peralihan tidak terekam: byte yang lebih kemudian membatasi saat berhenti"),
    ("the switch-over could not be read from the stream: its last byte bounds the stop", "peralihan tidak terbaca dari aliran: byte terakhirnya membatasi saat berhenti"),
    ("last byte of the stream: the guest is stopped", "byte terakhir aliran: tamu sudah dihentikan"),
    ("last pre-copy segment that came after a rest", "segmen pre-copy terakhir yang tiba setelah jeda"),
    ("the source was not captured: from below the stop is bounded by the stream at the destination, less a round trip", "asal tidak terekam: dari bawah, saat berhenti dibatasi oleh aliran di tujuan dikurangi satu waktu bolak-balik"),
    ("last answer of the VM at the client before the stop", "jawaban terakhir VM di klien sebelum berhenti"),
    ("call that lets the guest run on the destination", "panggilan yang membiarkan tamu berjalan di tujuan"),
    ("reply that says that the guest runs", "jawaban yang menyatakan tamu berjalan"),
    ("the end of the stream was not seen", "akhir aliran tidak terlihat"),
    ("the VM's MAC address is not known: its first frame on the destination cannot be told", "alamat MAC VM tidak diketahui: frame pertamanya di tujuan tidak dapat ditentukan"),
    ("no frame of the VM and no announcement was captured after the stream: the end of the pause cannot be told", "tidak ada frame VM maupun pengumuman yang terekam setelah aliran: akhir jeda tidak dapat ditentukan"),
    ("the VM sent nothing after the stream until the end of the capture", "VM tidak mengirim apa pun setelah aliran sampai akhir rekaman"),
    ("no announcement of the VM was captured: the end of the pause lies between the end of the stream and the VM's first sign", "tidak ada pengumuman VM yang terekam: akhir jeda terletak antara akhir aliran dan tanda pertama VM"),
    ("the bounds of the resume contradict each other: the clocks are not related as well as they say", "batas saat berjalan kembali saling bertentangan: jam tidak terhubung sebaik yang dinyatakan"),
    ("last byte of the post-copy package", "byte terakhir paket post-copy"),
    ("first RARP of the VM, sent when it resumed", "RARP pertama VM, dikirim saat ia berjalan kembali"),
    ("first gratuitous ARP of the VM", "gratuitous ARP pertama VM"),
    ("first neighbour advertisement of the VM", "neighbour advertisement pertama VM"),
    ("first RARP of the VM at the client", "RARP pertama VM di klien"),
    ("first frame of the VM on the destination", "frame pertama VM di tujuan"),
    ("the migration failed: the guest did not move", "migrasi gagal: tamu tidak berpindah"),
    ("the clock of {} could not be related to the others: bounds from it count as if it were right", "jam {} tidak dapat dihubungkan dengan yang lain: batas darinya dihitung seolah-olah jam itu benar"),
    ("in post-copy QMP's downtime ends when the package is written, not when it is loaded: no counterpart on the wire", "pada post-copy, downtime QMP berakhir saat paket ditulis, bukan saat dimuat: tidak ada padanannya di jaringan"),
    ("when the guest was stopped is known to within {} ms only", "saat tamu dihentikan hanya diketahui dalam rentang {} ms"),
    ("without a return path QMP's downtime ends when the last byte is handed to the kernel, which a full send buffer puts before its time on the wire", "tanpa jalur balik (return path), downtime QMP berakhir saat byte terakhir diserahkan ke kernel, yang pada buffer kirim penuh mendahului waktunya di jaringan"),
    ("it came {} ms after the VM's first gratuitous ARP", "datangnya {} ms setelah gratuitous ARP pertama VM"),
    ("it came {} ms after the VM's first neighbour advertisement", "datangnya {} ms setelah neighbour advertisement pertama VM"),
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
    ("A buffer below {} s that does not run empty is a near-stall; stalls shorter than {} s are not counted.", "Buffer di bawah {} s yang tidak habis adalah nyaris macet; macet yang lebih singkat dari {} s tidak dihitung."),
    ("A segment can be played when its last byte has come, not before.", "Segmen dapat diputar setelah byte terakhirnya tiba, tidak sebelumnya."),
    ("An encrypted download of {} bytes or more from one host is taken for video.", "Unduhan terenkripsi {} byte atau lebih dari satu host dianggap video."),
    ("The bytes of the file hold its media evenly: constant bit rate.", "Byte berkas memuat medianya secara merata: laju bit tetap."),
    ("The player starts with {} s of media buffered and goes on after a stall with {} s; it plays at normal speed, without pause or seek.", "Pemutar mulai dengan {} s media tersimpan dan melanjutkan setelah macet dengan {} s; ia memutar pada kecepatan normal, tanpa jeda atau lompatan."),
    ("The scenario was given as {}; the traffic is that of {}.", "Skenario diberikan sebagai {}; lalu lintasnya adalah {}."),
    ("Scenario {} inferred: No video session was found in the traffic.", "Skenario {} disimpulkan: tidak ada sesi video dalam lalu lintas."),
    ("Scenario {} inferred: There is video, but the VM's address is not known.", "Skenario {} disimpulkan: ada video, tetapi alamat VM tidak diketahui."),
    ("Scenario {} inferred: The largest video is {} from {}, which is the VM.", "Skenario {} disimpulkan: video terbesar adalah {} dari {}, yaitu VM."),
    ("Scenario {} inferred: The largest video is {} from {}, which is not the VM.", "Skenario {} disimpulkan: video terbesar adalah {} dari {}, yang bukan VM."),
    ("Scenario {} inferred: The largest video is {} from {}, which is the VM, taken for video by its size.", "Skenario {} disimpulkan: video terbesar adalah {} dari {}, yaitu VM, dianggap video karena ukurannya."),
    ("Scenario {} inferred: The largest video is {} from {}, which is not the VM, taken for video by its size.", "Skenario {} disimpulkan: video terbesar adalah {} dari {}, yang bukan VM, dianggap video karena ukurannya."),
    ("The viewer still waited for media when the capture ended: a download had not ended.", "Penonton masih menunggu media saat rekaman berakhir: sebuah unduhan belum selesai."),
    ("The viewer still waited for media when the capture ended: the server never came back.", "Penonton masih menunggu media saat rekaman berakhir: server tidak pernah kembali."),
    ("The viewer wanted nothing beyond what was fetched: the model ends with the media that came.", "Penonton tidak menginginkan lebih dari yang diambil: model berakhir bersama media yang tiba."),
    ("too few runs for a test: {} and {}, at least {} each are needed", "percobaan terlalu sedikit untuk diuji: {} dan {}, masing-masing diperlukan sedikitnya {}"),
    ("too few runs for a claim: {}, at least {} are needed", "percobaan terlalu sedikit untuk suatu pernyataan: {}, diperlukan sedikitnya {}"),
    ("all values are equal", "semua nilai sama"),
    ("it is the same in all runs", "nilainya sama dalam semua percobaan"),
    ("not recovered by the end of the capture", "belum pulih saat rekaman berakhir"),
    ("no window without service was seen", "tidak terlihat jendela tanpa layanan"),
    ("no pass has a dirty rate", "tidak ada putaran yang laju kotornya diketahui"),
    ("no pass could be told", "tidak ada putaran yang dapat ditentukan"),
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
