//! `if_cfg_api_versions!`, by which the crate `foundationdb` chooses code by the version of the API.
//!
//! The original makes a `cfg` of each condition. Here the version is 7.3, so each condition is decided as it is read:
//! a maximum below 730 or a minimum above it is false, all others are true.

/// Keeps or drops code as its condition on the version of the API holds for 7.3.
#[macro_export]
macro_rules! if_cfg_api_versions {
    (min = $min:tt, max = $max:tt => {$($then:tt)*} else {$($otherwise:tt)*}) => {
        $crate::if_cfg_api_versions!(max = $max => {$($then)*} else {$($otherwise)*})
    };
    (min = $min:tt, max = $max:tt => $($then:tt)*) => {
        $crate::if_cfg_api_versions! { max = $max => $($then)* }
    };
    (min = 740 => {$($then:tt)*} else {$($otherwise:tt)*}) => {{ $($otherwise)* }};
    (min = 740 => $($then:tt)*) => {};
    (max = 730 => {$($then:tt)*} else {$($otherwise:tt)*}) => {{ $($then)* }};
    (max = 740 => {$($then:tt)*} else {$($otherwise:tt)*}) => {{ $($then)* }};
    (max = 730 => $($then:tt)*) => { $($then)* };
    (max = 740 => $($then:tt)*) => { $($then)* };
    (min = $min:tt => {$($then:tt)*} else {$($otherwise:tt)*}) => {{ $($then)* }};
    (min = $min:tt => $($then:tt)*) => { $($then)* };
    (max = $max:tt => {$($then:tt)*} else {$($otherwise:tt)*}) => {{ $($otherwise)* }};
    (max = $max:tt => $($then:tt)*) => {};
}

#[cfg(test)]
mod tests {
    #[test]
    fn conditions_are_decided_for_version_7_3() {
        let decided = [
            if_cfg_api_versions!(min = 620 => { true } else { false }),
            if_cfg_api_versions!(min = 730 => { true } else { false }),
            if_cfg_api_versions!(min = 740 => { true } else { false }),
            if_cfg_api_versions!(min = 510, max = 600 => { true } else { false }),
            if_cfg_api_versions!(min = 510, max = 740 => { true } else { false }),
        ];
        assert_eq!(decided, [true, true, false, false, true]);
    }
}
