//! What a thread has to do for others while it does not come back to them: its own script runs for too long, or it waits for a shard
//! that such a script holds.

use std::cell::RefCell;
use std::rc::Rc;

thread_local! {
    static MEANWHILE: RefCell<Option<Rc<dyn Fn()>>> = const { RefCell::new(None) };
}

/// Names what this thread has to do again and again. It must lock no shard.
pub fn set(serve: impl Fn() + 'static) {
    MEANWHILE.set(Some(Rc::new(serve)));
}

/// Does it, if there is something.
pub fn serve() {
    let serve = MEANWHILE.with_borrow(Clone::clone);
    if let Some(serve) = serve {
        serve();
    }
}
