#pragma once

#include <cassert>

namespace sennit::detail {

/// A link of an intrusive doubly linked list. `Tag` lets one object be in several lists, one per tag.
template <class Tag>
class list_hook {
  public:
    list_hook() noexcept = default;
    list_hook(const list_hook&) = delete;
    list_hook& operator=(const list_hook&) = delete;

    bool linked() const noexcept { return next_ != nullptr; }

    /// Takes the object out of the list it is in; nothing happens when it is in none.
    void unlink() noexcept {
        if (next_ == nullptr) return;
        next_->previous_ = previous_;
        previous_->next_ = next_;
        next_ = previous_ = nullptr;
    }

  protected:
    ~list_hook() { assert(!linked()); }

    /// Room for a pointer while the object is in no list; it is null again after the next one.
    void* spare() const noexcept {
        assert(!linked());
        return previous_;
    }
    void set_spare(void* pointer) noexcept {
        assert(!linked());
        previous_ = static_cast<list_hook*>(pointer);
    }

  private:
    template <class T, class>
    friend class intrusive_list;

    list_hook* next_ = nullptr;
    list_hook* previous_ = nullptr;
};

/// A first-in first-out list of objects that derive from `list_hook<Tag>`; it owns none of them.
template <class T, class Tag>
class intrusive_list {
    using hook = list_hook<Tag>;
    struct sentinel : hook {};

  public:
    intrusive_list() noexcept { head_.next_ = head_.previous_ = &head_; }
    intrusive_list(const intrusive_list&) = delete;
    intrusive_list& operator=(const intrusive_list&) = delete;
    ~intrusive_list() {
        assert(empty());
        head_.next_ = head_.previous_ = nullptr;
    }

    bool empty() const noexcept { return head_.next_ == &head_; }

    void push_back(T& element) noexcept {
        hook& link = element;
        assert(!link.linked());
        link.previous_ = head_.previous_;
        link.next_ = &head_;
        head_.previous_->next_ = &link;
        head_.previous_ = &link;
    }

    T& front() noexcept {
        assert(!empty());
        return static_cast<T&>(*head_.next_);
    }

    T& pop_front() noexcept {
        T& first = front();
        static_cast<hook&>(first).unlink();
        return first;
    }

    /// Moves every element of `other` behind those of this list.
    void splice_back(intrusive_list& other) noexcept {
        if (other.empty()) return;
        hook* const first = other.head_.next_;
        hook* const last = other.head_.previous_;
        other.head_.next_ = other.head_.previous_ = &other.head_;
        first->previous_ = head_.previous_;
        head_.previous_->next_ = first;
        last->next_ = &head_;
        head_.previous_ = last;
    }

    /// Calls `visit` on each element in order; `visit` must not change the list.
    template <class Visitor>
    void for_each(Visitor visit) const {
        for (hook* link = head_.next_; link != &head_; link = link->next_) visit(static_cast<T&>(*link));
    }

  private:
    sentinel head_;
};

}  // namespace sennit::detail
