//! Large graphs are laid out by a worker, so that the page goes on meanwhile.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{Float64Array, Object, Reflect, Uint32Array};
use wasm_bindgen::prelude::*;
use web_sys::{MessageEvent, Worker, WorkerOptions, WorkerType};

use crate::layout::{self, Manner, Plan, Point};

/// So few nodes take less time than to have them told elsewhere.
pub const AT_ONCE_MAX: usize = 150;

/// What is done with the places of the nodes.
type Then = Box<dyn FnOnce(Vec<Point>)>;

/// Of one question at a time: an older answer is dropped.
#[derive(Default)]
pub struct Laying {
    worker: Option<Worker>,
    /// What was asked last, and what comes of it.
    asked: Option<(Plan, Then)>,
    turn: u32,
    listeners: Vec<Closure<dyn FnMut(MessageEvent)>>,
}

impl Laying {
    /// Has `then` called with the places, at once where no worker is to be had.
    pub fn ask(this: &Rc<RefCell<Self>>, plan: Plan, then: impl FnOnce(Vec<Point>) + 'static) {
        if this.borrow().worker.is_none() && !this.borrow().listeners.is_empty() {
            return then(layout::arrange(&plan));
        }
        if this.borrow().worker.is_none() {
            Self::start(this);
        }
        let mut laying = this.borrow_mut();
        laying.turn += 1;
        let message = message(&plan, laying.turn);
        let is_told = laying.worker.as_ref().is_some_and(|worker| worker.post_message(&message).is_ok());
        if is_told {
            laying.asked = Some((plan, Box::new(then)));
        } else {
            drop(laying);
            then(layout::arrange(&plan));
        }
    }

    fn start(this: &Rc<RefCell<Self>>) {
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        let answered = {
            let this = this.clone();
            Closure::new(move |event: MessageEvent| {
                let of = |name: &str| Reflect::get(&event.data(), &name.into()).unwrap_or_default();
                let mut laying = this.borrow_mut();
                if of("turn").as_f64() != Some(f64::from(laying.turn)) {
                    return;
                }
                let Some((_, then)) = laying.asked.take() else { return };
                drop(laying);
                let places = of("places").dyn_into::<Float64Array>().map(|places| places.to_vec()).unwrap_or_default();
                then(places.chunks_exact(2).map(|at| Point { x: at[0], y: at[1] }).collect());
            })
        };
        let failed = {
            let this = this.clone();
            Closure::new(move |_: MessageEvent| {
                // This browser has no such workers, or may not start one: the page does it itself from now on.
                let mut laying = this.borrow_mut();
                laying.worker = None;
                let asked = laying.asked.take();
                drop(laying);
                if let Some((plan, then)) = asked {
                    then(layout::arrange(&plan));
                }
            })
        };
        let mut laying = this.borrow_mut();
        if let Ok(worker) = Worker::new_with_options("ui/layout-worker.js", &options) {
            worker.set_onmessage(Some(answered.as_ref().unchecked_ref()));
            worker.set_onerror(Some(failed.as_ref().unchecked_ref()));
            laying.worker = Some(worker);
        }
        laying.listeners.extend([answered, failed]);
    }
}

fn message(plan: &Plan, turn: u32) -> Object {
    let message = Object::new();
    let edges: Vec<u32> = plan.edges.iter().flat_map(|(a, b)| [*a, *b]).collect();
    let parts: [(&str, JsValue); 5] = [
        ("turn", turn.into()),
        ("edges", Uint32Array::from(&*edges).into()),
        ("parts", Uint32Array::from(&*plan.parts).into()),
        ("manner", plan.manner.id().into()),
        ("screen", plan.screen.into()),
    ];
    for (name, value) in parts {
        // A plain object takes whatever it is given.
        let _ = Reflect::set(&message, &name.into(), &value);
    }
    message
}

/// What the worker calls: x and y of each node, for pairs of nodes that talk and the box of each node.
#[wasm_bindgen]
pub fn arrange(edges: &[u32], parts: Vec<u32>, manner: &str, screen: f64) -> Vec<f64> {
    let edges = edges.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
    let plan = Plan { edges, parts, manner: Manner::from_id(manner).unwrap_or_default(), screen };
    layout::arrange(&plan).into_iter().flat_map(|at| [at.x, at.y]).collect()
}
