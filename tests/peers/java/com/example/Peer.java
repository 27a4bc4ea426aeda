package com.example;

import com.weibo.api.motan.common.MotanConstants;
import com.weibo.api.motan.config.ProtocolConfig;
import com.weibo.api.motan.config.RefererConfig;
import com.weibo.api.motan.config.RegistryConfig;
import com.weibo.api.motan.config.ServiceConfig;
import com.weibo.api.motan.util.MotanSwitcherUtil;

import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Scanner;
import java.util.TreeMap;

/**
 * Motan Java's own server and client with Motan Java's own ZooKeeper registry.
 *
 * <p>{@code Peer server ADDRESS HOST PORT GROUP SERIALIZATION} offers JavaEcho and registers it as HOST and PORT; {@code Peer
 * client ADDRESS GROUP SERIALIZATION} subscribes to it and calls hello with each line of its input, or get with the number behind
 * "get ". Each line that it prints begins with "ready", "answer " or "failed ".
 */
public final class Peer {
    public static void main(String[] args) {
        try {
            run(args);
        } catch (RuntimeException | Error e) { // threads of the libraries would keep the process alive
            e.printStackTrace();
            System.exit(1);
        }
    }

    private static void run(String[] args) {
        if (args.length == 6 && args[0].equals("server")) {
            serve(args[1], args[2], Integer.parseInt(args[3]), args[4], args[5]);
        } else if (args.length == 4 && args[0].equals("client")) {
            call(args[1], args[2], args[3]);
        } else {
            System.err.println("usage: Peer server ADDRESS HOST PORT GROUP SERIALIZATION | Peer client ADDRESS GROUP SERIALIZATION");
            System.exit(2);
        }
    }

    /** Serves until its input ends, then leaves the registry. */
    private static void serve(String address, String host, int port, String group, String serialization) {
        ServiceConfig<JavaEcho> service = new ServiceConfig<>();
        service.setInterface(JavaEcho.class);
        service.setRef(new Echo());
        service.setApplication("java-peer");
        service.setModule("java-peer");
        service.setHost(host);
        service.setGroup(group);
        service.setVersion("1.0");
        service.setRegistry(registry(address));
        service.setProtocol(protocol(serialization));
        service.setExport("motan2:" + port);
        service.export();
        MotanSwitcherUtil.setSwitcherValue(MotanConstants.REGISTRY_HEARTBEAT_SWITCHER, true);
        say("ready");
        Scanner in = new Scanner(System.in);
        while (in.hasNextLine()) {
            in.nextLine();
        }
        MotanSwitcherUtil.setSwitcherValue(MotanConstants.REGISTRY_HEARTBEAT_SWITCHER, false);
        service.unexport();
        System.exit(0);
    }

    private static final class Echo implements JavaEcho {
        @Override
        public String hello(String name) {
            return "hello " + name + " from java";
        }

        @Override
        public Map<String, Object> get(long id) {
            return Collections.singletonMap("id", id);
        }

        @Override
        public String typed(int a, Integer b, long c, double d, boolean e, byte[] f, List<Object> g, Map<String, String> h) {
            return a + " " + b + " " + c + " " + d + " " + e + " " + Arrays.toString(f) + " " + g + " " + h;
        }
    }

    private static void call(String address, String group, String serialization) {
        RefererConfig<JavaEcho> referer = new RefererConfig<>();
        referer.setInterface(JavaEcho.class);
        referer.setApplication("java-peer");
        referer.setModule("java-peer");
        referer.setGroup(group);
        referer.setVersion("1.0");
        referer.setRequestTimeout(20000);
        referer.setAsyncInitConnection(false);
        referer.setCheck(false);
        referer.setRegistry(registry(address));
        referer.setProtocol(protocol(serialization));
        JavaEcho echo = referer.getRef();
        say("ready");
        Scanner in = new Scanner(System.in);
        while (in.hasNextLine()) {
            try {
                String line = in.nextLine();
                say("answer " + (line.startsWith("get ") ? new TreeMap<>(echo.get(Long.parseLong(line.substring(4)))) : echo.hello(line)));
            } catch (RuntimeException | Error e) {
                say("failed " + String.valueOf(e.getMessage()).replace('\n', ' '));
            }
        }
        System.exit(0);
    }

    private static RegistryConfig registry(String address) {
        RegistryConfig r = new RegistryConfig();
        r.setName("zk");
        r.setRegProtocol("zookeeper");
        r.setAddress(address);
        r.setConnectTimeout(20000);
        r.setRegistrySessionTimeout(10000);
        return r;
    }

    private static ProtocolConfig protocol(String serialization) {
        ProtocolConfig p = new ProtocolConfig();
        p.setId("motan2");
        p.setName("motan2");
        p.setEndpointFactory("motan");
        p.setSerialization(serialization);
        return p;
    }

    private static void say(String line) {
        System.out.println(line);
        System.out.flush();
    }

    private Peer() {}
}
