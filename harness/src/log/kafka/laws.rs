//! How are the sizes of messages written in one word?
//!
//! `1KiB`, `uniform:100,2000`, `lognormal:1KiB,1.0,64KiB` (median, sigma, max), `zipf:64KiB,1.2` (max,
//! exponent).

use super::MessageSize;
use crate::size;
use std::str::FromStr;

impl FromStr for MessageSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((law, parameters)) = text.split_once(':') else {
            return bytes(text).map(Self::Fixed);
        };
        let parameters: Vec<&str> = parameters.split(',').collect();
        match (law, parameters.as_slice()) {
            ("uniform", [min, max]) => Ok(Self::Uniform { min: bytes(min)?, max: bytes(max)? }),
            ("lognormal", [median, sigma, max]) => Ok(Self::Lognormal {
                median: bytes(median)?,
                sigma: real(sigma)?,
                max: bytes(max)?,
            }),
            ("zipf", [max, exponent]) => {
                Ok(Self::Zipf { max: bytes(max)?, exponent: real(exponent)? })
            }
            _ => Err(format!(
                "{text:?}: expected SIZE, uniform:MIN,MAX, lognormal:MEDIAN,SIGMA,MAX or \
                 zipf:MAX,EXPONENT"
            )),
        }
    }
}

fn bytes(text: &str) -> Result<u32, String> {
    let bytes = size::parse(text)?;
    u32::try_from(bytes).map_err(|_| format!("{text:?} is more than 4 GiB - 1"))
}

fn real(text: &str) -> Result<f64, String> {
    text.trim().parse().map_err(|_| format!("{text:?} is no number"))
}

#[cfg(test)]
mod tests {
    use super::MessageSize;

    #[test]
    fn laws_are_read() {
        let lognormal = MessageSize::Lognormal { median: 1024, sigma: 1.5, max: 65536 };
        assert_eq!("lognormal:1KiB,1.5,64KiB".parse(), Ok(lognormal));
        assert_eq!("uniform:1,2".parse(), Ok(MessageSize::Uniform { min: 1, max: 2 }));
        assert_eq!("zipf:9,0.5".parse(), Ok(MessageSize::Zipf { max: 9, exponent: 0.5 }));
        assert_eq!("2 KiB".parse(), Ok(MessageSize::Fixed(2048)));
        for wrong in ["uniform:1", "normal:1,2", "zipf:9,x", ""] {
            assert!(wrong.parse::<MessageSize>().is_err(), "{wrong}");
        }
    }
}
