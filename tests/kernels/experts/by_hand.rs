//! Numbers worked out by hand, against a mistake that shader and row function share.

use sotto::kernels::table::{combine, group, route};

use crate::case::{bits, close, floats};
use crate::host::mirror;

fn routed(z: &[f32], bias: &[f32], params: route::Params) -> Vec<f32> {
    scaled(z, bias, &[], params)
}

fn scaled(z: &[f32], bias: &[f32], factors: &[f32], params: route::Params) -> Vec<f32> {
    let (z, bias, factors) = (bits(z), bits(bias), bits(factors));
    let choices = vec![0; 2 * params.used as usize];
    let bind = route::Bind { z: &z[..], bias: &bias, factors: &factors, choices: &choices };
    floats(&mirror(route::Variant {}, params, bind, [1, 1]).choices).to_vec()
}

const PLAIN: route::Params = route::Params {
    n: 4,
    stride: 4,
    first: 0,
    used: 2,
    scores: 1,
    normed: 0,
    has_bias: 0,
    groups: 1,
    groups_used: 1,
    scale: 1.0,
    has_factors: 0,
};

#[test]
fn a_row_takes_the_best_experts() {
    // The powers are 1, 4, 2 and 1: an eighth, a half, a quarter and an eighth.
    let ln2 = std::f32::consts::LN_2;
    let z = [0.0, 2.0 * ln2, ln2, 0.0];
    close(&routed(&z, &[], PLAIN), &[1.0, 0.5, 2.0, 0.25], 1e-6);
    let normed = route::Params { normed: 1, scale: 3.0, ..PLAIN };
    close(&routed(&z, &[], normed), &[1.0, 2.0, 2.0, 1.0], 1e-6);
    // Each times its own factor.
    let factors = route::Params { has_factors: 1, ..normed };
    close(&scaled(&z, &[], &[9.0, 0.5, -2.0, 9.0], factors), &[1.0, 1.0, 2.0, -2.0], 1e-6);
    // Of equal ones the first.
    close(&routed(&z, &[], route::Params { used: 3, ..PLAIN }), &[1.0, 0.5, 2.0, 0.25, 0.0, 0.125], 1e-6);
    // The softmax of 4 and 2 alone.
    let chosen = route::Params { scores: 3, ..PLAIN };
    close(&routed(&z, &[], chosen), &[1.0, 2.0 / 3.0, 2.0, 1.0 / 3.0], 1e-6);
}

#[test]
fn a_bias_chooses_but_does_not_weigh() {
    // Sigmoids of 0, and of the logarithm of 3: a half, and three quarters.
    let z = [0.0, 3.0f32.ln(), 0.0, 0.0];
    let params = route::Params { scores: 2, has_bias: 1, used: 2, ..PLAIN };
    close(&routed(&z, &[0.0, -1.0, 0.0, 0.5], params), &[3.0, 0.5, 0.0, 0.5], 1e-6);
}

#[test]
fn groups_are_chosen_by_their_best_two() {
    // Sums of the best two: 9 + 0, 5 + 5, 8 + 1; the best one alone would be the first group's.
    let z = [9.0, 0.0, 0.0, 5.0, 5.0, 0.0, 8.0, 1.0, 0.0];
    let params = route::Params { n: 9, stride: 9, scores: 3, groups: 3, groups_used: 1, used: 2, ..PLAIN };
    close(&routed(&z, &[], params), &[3.0, 0.5, 4.0, 0.5], 1e-6);
}

#[test]
fn what_is_no_number_comes_first() {
    let z = [0.0, 1.0, f32::NAN, f32::NAN];
    for params in [route::Params { scores: 2, ..PLAIN }, route::Params { scores: 2, groups: 2, ..PLAIN }] {
        let choices = routed(&z, &[], params);
        assert_eq!([choices[0], choices[2]], [2.0, 3.0]);
        assert!(choices[1].is_nan() && choices[3].is_nan());
    }
    // A bias that is none counts too.
    let params = route::Params { scores: 2, has_bias: 1, ..PLAIN };
    let choices = routed(&[0.0; 4], &[0.0, f32::NAN, 0.0, 1.0], params);
    assert!(choices[0] == 1.0 && choices[1].is_nan());
    assert_eq!(choices[2..], [3.0, 0.5]);
}

#[test]
fn choices_are_sorted_by_expert() {
    let choices = bits(&[2.0, 0.0, 0.0, 0.0, 2.0, 0.0, 1.0, 0.0, 0.0, 0.0, 2.0, 0.0]);
    let bind = group::Bind { choices: &choices[..], order: &[9; 6], tiles: &[9; 16] };
    let after = mirror(group::Variant {}, group::Params { n: 3, pairs: 6, tiles: 4 }, bind, [1, 3]);
    assert_eq!(after.order, [1, 4, 3, 0, 2, 5]);
    assert_eq!(after.tiles[..12], [0, 0, 2, 0, 1, 2, 1, 0, 2, 3, 3, 0]);
    assert_eq!(after.tiles[14], 0);
}

#[test]
fn what_experts_give_is_added_up() {
    let choices = bits(&[5.0, 0.5, 1.0, -1.0]);
    let y = bits(&[2.0, 4.0, 6.0, 8.0, 1.0, 1.0, 1.0, 2.0]);
    let out = bits(&[10.0; 4]);
    let params = combine::Params { k4: 1, used: 2, accumulate: 1 };
    let bind = combine::Bind { choices: &choices[..], y: &y, out: &out };
    close(floats(&mirror(combine::Variant {}, params, bind, [1, 1]).out), &[10.0, 11.0, 12.0, 12.0], 0.0);
}
