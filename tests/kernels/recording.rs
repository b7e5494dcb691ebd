//! What a recording refuses.

use sotto::base::buffer::BufferId;
use sotto::base::error::Code;
use sotto::device::recording::Recording;
use sotto::kernels::params::Glu;

#[test]
fn a_recording_refuses_what_no_adapter_can_run() {
    let two = [BufferId(0), BufferId(1)];
    let cases: [(&str, &[BufferId], [u32; 2], &str); 9] = [
        ("glu", &two[..1], [1, 1], "takes 2 buffers, not 1"),
        ("glu", &[], [1, 1], "takes 2 buffers, not 0"),
        ("glu", &[BufferId(0); 3], [1, 1], "takes 2 buffers, not 3"),
        ("glu", &two, [0, 1], "grid of 0 by 1"),
        ("glu", &two, [1, 0], "grid of 1 by 0"),
        ("glu", &two, [65_536, 1], "grid of 65536 by 1"),
        ("glu", &two, [1, u32::MAX], "grid of 1 by 4294967295"),
        ("glue", &two, [1, 1], "no kernel variant 'glue'"),
        ("matvec.q9_k.tree", &two, [1, 1], "no kernel variant 'matvec.q9_k.tree'"),
    ];
    let mut recording = Recording::default();
    for (variant, buffers, grid, says) in cases {
        let error = recording.push(variant, Glu::default(), buffers, grid).expect_err(says);
        assert_eq!(error.code, Code::Internal);
        assert!(error.message.contains(says), "{}", error.message);
    }
    assert!(recording.dispatches.is_empty());
    recording.push("glu", Glu::default(), &two, [65_535, 65_535]).expect("the largest grid");
    assert_eq!(recording.dispatches.len(), 1);
}
