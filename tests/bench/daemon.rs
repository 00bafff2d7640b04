//! What the daemon costs on the kernel's own WireGuard: a registration that is live everywhere, against `wg` in the same
//! run; and what ten thousand peers take of memory and of time. `make bench` runs this inside the virtual machine.

#![expect(clippy::print_stdout, reason = "the table is the point")]
#![expect(clippy::unwrap_used, reason = "a benchmark whose world is broken measures nothing")]

mod daily;
mod load;
mod registration;
mod sign_in;
mod site;
mod table;

use table::{Table, has_kernel_wireguard};

fn main() {
    if !has_kernel_wireguard() {
        return;
    }
    let mut table = Table::new();
    registration::measure(&mut table);
    sign_in::measure(&mut table);
    daily::measure(&mut table);
    table.conclude();
}
