#pragma once

namespace micro {

/// Keeps the compiler from seeing what is done with a value.
template <class T>
void use(T&& value) {
    asm volatile("" : : "g"(&value) : "memory");
}

}  // namespace micro
