package com.example;

/** The service that the peer offers, and that it calls. */
public interface JavaEcho {
    String hello(String name);

    /** Is told of by its number. */
    java.util.Map<String, Object> get(long id);

    /** Takes parameters of several types, and tells what it was given. */
    String typed(int a, Integer b, long c, double d, boolean e, byte[] f, java.util.List<Object> g, java.util.Map<String, String> h);
}
