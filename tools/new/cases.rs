
fn NAME_cases(rig: &mut impl Runs) {
    let mut random = Random::new(1);
    for (n, rows) in [(4, 1), (64, 3), (252, 2), (260, 33), (2048, 4)] {
        rig.run(Case::new(
            NAME::Variant {},
            format!("{rows} rows of {n}"),
            NAME::Params { n4: n / 4 },
            NAME::Bind {
                x: Data::In(bits(&random.floats((rows * n) as usize, 2.0))),
                out: Data::Out(poison((rows * n) as usize)),
            },
            [(n / 4).div_ceil(NAME::THREADS), rows],
            F32,
        ));
    }
}

#[test]
fn NAME_by_hand() {
    let x = bits(&[3.0, -4.0, 0.5, 0.0]);
    let bind = NAME::Bind { x: &x[..], out: &[0; 4] };
    let out = mirror(NAME::Variant {}, NAME::Params { n4: 1 }, bind, [1, 1]).out;
    close(floats(&out), &[3.0, -4.0, 0.5, 0.0], 1e-6);
}
