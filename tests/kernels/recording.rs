//! What a recording refuses. A kernel that there is not, or a buffer too many or too few, does not compile.

use sotto::base::buffer::BufferId;
use sotto::base::error::Code;
use sotto::device::recording::Recording;
use sotto::kernels::table::choices::Op;
use sotto::kernels::table::map;

#[test]
fn a_recording_refuses_what_no_adapter_can_run() {
    let variant = map::Variant { op: Op::SiluGlu };
    let bind = map::Bind { x: BufferId(0), out: BufferId(1) };
    let cases: [([u32; 2], &str); 4] = [
        ([0, 1], "grid of 0 by 1"),
        ([1, 0], "grid of 1 by 0"),
        ([65_536, 1], "grid of 65536 by 1"),
        ([1, u32::MAX], "grid of 1 by 4294967295"),
    ];
    let mut recording = Recording::default();
    for (grid, says) in cases {
        let error =
            recording.push(variant, map::Params { curve: [0.0; 4], n4: 1, gated: 1 }, bind, grid).expect_err(says);
        assert_eq!(error.code, Code::Internal);
        assert!(error.message.contains(says), "{}", error.message);
    }
    assert!(recording.dispatches.is_empty());
    recording
        .push(variant, map::Params { curve: [0.0; 4], n4: 1, gated: 1 }, bind, [65_535, 65_535])
        .expect("the largest grid");
    assert_eq!(recording.dispatches.len(), 1);
}
