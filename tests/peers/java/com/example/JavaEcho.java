package com.example;

/** The service that the peer offers, and that it calls. */
public interface JavaEcho {
    String hello(String name);
}
