//! `ExportMetricsServiceRequest` in protobuf, read in place (opentelemetry/proto/metrics/v1/metrics.proto).
//! A generated decoder would take memory for every empty message before anybody could count them.

use std::borrow::Cow;

use collector_remote_write::RemoteWriteError;
use collector_remote_write::protobuf::{Fields, Value as Field};

use crate::model::{Attribute, Data, Histogram, Metric, Number, Resource, Summary, Value};
use crate::{OtlpError, limits};

type Result<T> = std::result::Result<T, OtlpError>;

/// Messages that may still be met, and memory that they may take.
struct Budget {
    parts: usize,
    bytes: usize,
}

impl Budget {
    fn take(&mut self) -> Result<()> {
        let what = "resources, metrics, points and attributes";
        let none_left = OtlpError::TooMany { what, max: limits::PARTS_MAX };
        self.parts = self.parts.checked_sub(1).ok_or(none_left)?;
        Ok(())
    }

    fn push<T>(&mut self, list: &mut Vec<T>, one: T) -> Result<()> {
        self.reserve(list, 1)?;
        list.push(one);
        Ok(())
    }

    /// Makes room as a list does by itself, so that what it takes is known before.
    fn reserve<T>(&mut self, list: &mut Vec<T>, more: usize) -> Result<()> {
        if list.capacity() - list.len() < more {
            let wanted = (list.len() + more).max(2 * list.capacity()).max(LIST_PLACES_MIN);
            let bytes = (wanted - list.capacity()).saturating_mul(size_of::<T>());
            self.bytes = self.bytes.checked_sub(bytes).ok_or(OtlpError::Memory)?;
            list.reserve_exact(wanted - list.len());
        }
        Ok(())
    }
}

/// The first places of a list.
const LIST_PLACES_MIN: usize = 2;

pub(crate) fn read(message: &[u8], parts_bytes: usize) -> Result<Vec<Resource<'_>>> {
    let mut budget = Budget { parts: limits::PARTS_MAX, bytes: parts_bytes };
    let mut resources = Vec::new();
    each(message, |number, field| {
        if number == 1 {
            let one = resource(bytes(field)?, &mut budget)?;
            budget.push(&mut resources, one)?;
        }
        Ok(())
    })?;
    Ok(resources)
}

/// Calls `take` for each field of a message.
fn each<'a>(message: &'a [u8], mut take: impl FnMut(u32, Field<'a>) -> Result<()>) -> Result<()> {
    let mut fields = Fields(message);
    while let Some((number, field)) = fields.next().map_err(OtlpError::Protobuf)? {
        take(number, field)?;
    }
    Ok(())
}

fn bytes(field: Field<'_>) -> Result<&[u8]> {
    field.bytes().map_err(OtlpError::Protobuf)
}

fn text(field: Field<'_>) -> Result<Cow<'_, str>> {
    let text = std::str::from_utf8(bytes(field)?);
    Ok(Cow::Borrowed(text.map_err(|_| OtlpError::Malformed("a text is not UTF-8"))?))
}

fn varint(field: Field<'_>) -> Result<u64> {
    match field {
        Field::Varint(value) => Ok(value),
        _ => Err(WIRE_TYPE),
    }
}

fn fixed(field: Field<'_>) -> Result<u64> {
    match field {
        Field::Fixed64(value) => Ok(value),
        _ => Err(WIRE_TYPE),
    }
}

fn double(field: Field<'_>) -> Result<f64> {
    fixed(field).map(f64::from_bits)
}

const WIRE_TYPE: OtlpError =
    OtlpError::Protobuf(RemoteWriteError::Malformed("a field has another wire type than its own"));

/// Appends one eight-byte number, or a packed run of them.
fn eights<T>(
    field: Field<'_>,
    out: &mut Vec<T>,
    make: fn(u64) -> T,
    budget: &mut Budget,
) -> Result<()> {
    match field {
        Field::Fixed64(bits) => budget.push(out, make(bits))?,
        Field::Bytes(packed) => {
            let (numbers, rest) = packed.as_chunks::<8>();
            if !rest.is_empty() {
                return Err(OtlpError::Malformed("a list of numbers breaks off"));
            }
            budget.reserve(out, numbers.len())?;
            out.extend(numbers.iter().map(|bits| make(u64::from_le_bytes(*bits))));
        }
        _ => return Err(WIRE_TYPE),
    }
    Ok(())
}

fn resource<'a>(message: &'a [u8], budget: &mut Budget) -> Result<Resource<'a>> {
    budget.take()?;
    let mut resource = Resource::default();
    each(message, |number, field| match number {
        1 => attributes_in(bytes(field)?, 1, &mut resource.attributes, budget),
        2 => {
            budget.take()?;
            each(bytes(field)?, |number, field| {
                if number == 2 {
                    let one = metric(bytes(field)?, budget)?;
                    budget.push(&mut resource.metrics, one)?;
                }
                Ok(())
            })
        }
        _ => Ok(()),
    })?;
    Ok(resource)
}

/// Appends the attributes that a message has in one of its fields.
fn attributes_in<'a>(
    message: &'a [u8],
    tag: u32,
    out: &mut Vec<Attribute<'a>>,
    budget: &mut Budget,
) -> Result<()> {
    each(message, |number, field| {
        if number == tag {
            let one = attribute(bytes(field)?, budget, 0)?;
            budget.push(out, one)?;
        }
        Ok(())
    })
}

fn metric<'a>(message: &'a [u8], budget: &mut Budget) -> Result<Metric<'a>> {
    budget.take()?;
    let mut metric = Metric::default();
    each(message, |number, field| {
        match number {
            1 => metric.name = text(field)?,
            2 => metric.description = text(field)?,
            3 => metric.unit = text(field)?,
            5 => {
                let mut points = Vec::new();
                each(bytes(field)?, |number, field| {
                    if number == 1 {
                        let one = number_point(bytes(field)?, budget)?;
                        budget.push(&mut points, one)?;
                    }
                    Ok(())
                })?;
                metric.data = Data::Gauge(points);
            }
            7 => metric.data = sum(bytes(field)?, budget)?,
            9 => metric.data = histogram(bytes(field)?, budget)?,
            10 => {
                let mut points = 0;
                each(bytes(field)?, |number, _| {
                    points += u64::from(number == 1);
                    Ok(())
                })?;
                metric.data = Data::ExponentialHistogram(points);
            }
            11 => metric.data = summary(bytes(field)?, budget)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(metric)
}

fn sum<'a>(message: &'a [u8], budget: &mut Budget) -> Result<Data<'a>> {
    let (mut points, mut temporality, mut monotonic) = (Vec::new(), 0, false);
    each(message, |number, field| {
        match number {
            1 => {
                let one = number_point(bytes(field)?, budget)?;
                budget.push(&mut points, one)?;
            }
            2 => temporality = varint(field)?.cast_signed(),
            3 => monotonic = varint(field)? != 0,
            _ => {}
        }
        Ok(())
    })?;
    Ok(Data::Sum { points, temporality, monotonic })
}

fn number_point<'a>(message: &'a [u8], budget: &mut Budget) -> Result<Number<'a>> {
    budget.take()?;
    let mut point = Number::default();
    let common = &mut point.common;
    each(message, |number, field| {
        match number {
            7 => {
                let one = attribute(bytes(field)?, budget, 0)?;
                budget.push(&mut common.attributes, one)?;
            }
            3 => common.time_ns = fixed(field)?,
            4 => point.value = Some(double(field)?),
            5 => common.exemplars += 1,
            6 => point.value = Some(of_int(fixed(field)?.cast_signed())),
            8 => common.flags = flags(field)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(point)
}

/// Samples are doubles: beyond 2^53 the nearest one.
pub(crate) fn of_int(value: i64) -> f64 {
    value as f64
}

fn flags(field: Field<'_>) -> Result<u32> {
    Ok(u32::try_from(varint(field)? & u64::from(u32::MAX)).unwrap_or(0))
}

fn histogram<'a>(message: &'a [u8], budget: &mut Budget) -> Result<Data<'a>> {
    let (mut points, mut temporality) = (Vec::new(), 0);
    each(message, |number, field| {
        match number {
            1 => {
                let one = histogram_point(bytes(field)?, budget)?;
                budget.push(&mut points, one)?;
            }
            2 => temporality = varint(field)?.cast_signed(),
            _ => {}
        }
        Ok(())
    })?;
    Ok(Data::Histogram { points, temporality })
}

fn histogram_point<'a>(message: &'a [u8], budget: &mut Budget) -> Result<Histogram<'a>> {
    budget.take()?;
    let mut point = Histogram::default();
    let common = &mut point.common;
    each(message, |number, field| {
        match number {
            9 => {
                let one = attribute(bytes(field)?, budget, 0)?;
                budget.push(&mut common.attributes, one)?;
            }
            3 => common.time_ns = fixed(field)?,
            4 => point.count = fixed(field)?,
            5 => point.sum = Some(double(field)?),
            6 => eights(field, &mut point.buckets, |bits| bits, budget)?,
            7 => eights(field, &mut point.bounds, f64::from_bits, budget)?,
            8 => common.exemplars += 1,
            10 => common.flags = flags(field)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(point)
}

fn summary<'a>(message: &'a [u8], budget: &mut Budget) -> Result<Data<'a>> {
    let mut points = Vec::new();
    each(message, |number, field| {
        if number == 1 {
            let one = summary_point(bytes(field)?, budget)?;
            budget.push(&mut points, one)?;
        }
        Ok(())
    })?;
    Ok(Data::Summary(points))
}

fn summary_point<'a>(message: &'a [u8], budget: &mut Budget) -> Result<Summary<'a>> {
    budget.take()?;
    let mut point = Summary::default();
    let common = &mut point.common;
    each(message, |number, field| {
        match number {
            7 => {
                let one = attribute(bytes(field)?, budget, 0)?;
                budget.push(&mut common.attributes, one)?;
            }
            3 => common.time_ns = fixed(field)?,
            4 => point.count = fixed(field)?,
            5 => point.sum = double(field)?,
            6 => {
                budget.take()?;
                let (mut quantile, mut value) = (0.0, 0.0);
                each(bytes(field)?, |number, field| {
                    match number {
                        1 => quantile = double(field)?,
                        2 => value = double(field)?,
                        _ => {}
                    }
                    Ok(())
                })?;
                budget.push(&mut point.quantiles, (quantile, value))?;
            }
            8 => common.flags = flags(field)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(point)
}

fn attribute<'a>(message: &'a [u8], budget: &mut Budget, depth: usize) -> Result<Attribute<'a>> {
    budget.take()?;
    let mut attribute = Attribute::default();
    each(message, |number, field| {
        match number {
            1 => attribute.key = text(field)?,
            2 => attribute.value = value(bytes(field)?, budget, depth)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(attribute)
}

fn value<'a>(message: &'a [u8], budget: &mut Budget, depth: usize) -> Result<Value<'a>> {
    budget.take()?;
    if depth > limits::VALUE_DEPTH_MAX {
        return Err(OtlpError::Malformed("an attribute's value is nested too deeply"));
    }
    let mut read = Value::None;
    each(message, |number, field| {
        read = match number {
            1 => Value::Text(text(field)?),
            2 => Value::Bool(varint(field)? != 0),
            3 => Value::Int(varint(field)?.cast_signed()),
            4 => Value::Double(double(field)?),
            5 => {
                let mut list = Vec::new();
                each(bytes(field)?, |number, field| {
                    if number == 1 {
                        let one = value(bytes(field)?, budget, depth + 1)?;
                        budget.push(&mut list, one)?;
                    }
                    Ok(())
                })?;
                Value::List(list)
            }
            6 => {
                let mut map = Vec::new();
                each(bytes(field)?, |number, field| {
                    if number == 1 {
                        let one = attribute(bytes(field)?, budget, depth + 1)?;
                        budget.push(&mut map, one)?;
                    }
                    Ok(())
                })?;
                Value::Map(map)
            }
            7 => Value::Bytes(Cow::Borrowed(bytes(field)?)),
            _ => return Ok(()),
        };
        Ok(())
    })?;
    Ok(read)
}
