#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bough_fuzz::run("calls", data));
